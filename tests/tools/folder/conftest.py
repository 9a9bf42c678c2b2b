"""The parts of `tools/train_folder.py`, imported as the command does."""

import sys
from pathlib import Path

# At the end: a tool named test.py must not hide Python's own package.
sys.path.append(str(Path(__file__).resolve().parents[3] / "tools"))
