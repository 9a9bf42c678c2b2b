"""Measurements of cost: arithmetic, time and memory."""

import sys
from pathlib import Path

# Modules here that make the benchmark import `phase_order` until they are tools themselves.
sys.path.append(str(Path(__file__).resolve().parents[2] / "tools" / "data"))
