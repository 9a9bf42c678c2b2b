"""report.html: the result, the choices, how to go on, and the mistakes as pictures."""

import html
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from f4d_mmaction.engine.checkpoints import AtomicBackend

from .finding import printable

DETAILS = Path(__file__).resolve().parents[1] / "analysis" / "report.py"


def write(folder: Path, checkpoint: Path, parts: Mapping[str, Sequence[str]]) -> Path:
    """Write the parts, by title, above what `tools/analysis/report.py` shows of the test set."""
    path, table = folder / "report.html", folder / "report.csv"
    if path.exists() and table.exists():
        return path
    log, drawn = folder / "report.log", folder / "drawn"
    command = [sys.executable, str(DETAILS), str(folder / "config.py"), str(checkpoint)]
    with open(log, "w", encoding="utf-8") as file:
        ended = subprocess.run([*command, "--out", str(drawn)], stdout=file, stderr=file)
    details = ""
    if ended.returncode:
        print(f"The mistakes could not be drawn, see {printable(log)}; run again to try again")
    else:
        details = (drawn / path.name).read_text(encoding="utf-8")
    before, found, after = (details or "<meta charset=utf-8>").partition("<h1")
    for title, lines in parts.items():
        text = html.escape(printable("\n".join(lines)))
        before += f"<h2>{title}</h2><pre style='white-space:pre-wrap'>{text}</pre>\n"
    AtomicBackend().put((before + found + after).encode(), path)
    if details:
        os.replace(drawn / table.name, table)  # now both are whole
        shutil.rmtree(drawn)
    return path
