"""report.html: the result, the choices, how to go on, and the mistakes as pictures."""

from __future__ import annotations

import html
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from f4d_mmaction.engine.checkpoints import AtomicBackend

DETAILS = Path(__file__).resolve().parents[1] / "analysis" / "report.py"


def write(folder: Path, checkpoint: Path, parts: Mapping[str, Sequence[str]]) -> Path:
    """Write the parts, by title, above what `tools/analysis/report.py` shows of the test set."""
    path = folder / "report.html"
    if path.exists():
        return path
    details = folder / "details.html"  # report.html is there when it is whole
    command = [sys.executable, str(DETAILS), str(folder / "config.py"), str(checkpoint)]
    with open(folder / "report.log", "w", encoding="utf-8") as log:
        ended = subprocess.run([*command, "--out", str(details)], stdout=log, stderr=log)
    if ended.returncode:
        parts = {**parts, "Details": [f"could not be drawn: see {folder / 'report.log'}"]}
        page = "<meta charset=utf-8>"
    else:
        page = details.read_text(encoding="utf-8")
        details.unlink()
    before, found, after = page.partition("<h1")
    for title, lines in parts.items():
        text = html.escape("\n".join(lines))
        before += f"<h2>{title}</h2><pre style='white-space:pre-wrap'>{text}</pre>\n"
    AtomicBackend().put((before + found + after).encode(), path)
    return path
