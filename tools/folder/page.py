"""report.html: the result, the choices, how to go on, and the mistakes as pictures."""

import html
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from f4d_mmaction.analysis.statistics import Estimate
from f4d_mmaction.engine.checkpoints import AtomicBackend

from .finding import printable
from .verdict import HEAD, Row

ANALYSIS = Path(__file__).resolve().parents[1] / "analysis"
DETAILS = ANALYSIS / "report.py"
BAR = '{% from "bar.html.j2" import bar %}{{ bar(estimate) }}'


def drawn_table(rows: Sequence[Row]) -> str:
    """The table in HTML, each accuracy with a bar and a line for its interval."""
    first, accuracy, *others = map(html.escape, HEAD)
    lines = [[first, accuracy, "", *others]]
    loader = jinja2.FileSystemLoader(ANALYSIS)
    bar = jinja2.Environment(loader=loader).from_string(BAR)
    for row in rows:
        name, share, *rest = row.cells()
        value, low, high = row.accuracy if rest[0] else 3 * [row.accuracy.value]
        lines.append([name, share, bar.render(estimate=Estimate(value, low, high)), *rest])
    text = ("<tr><td>" + "<td class='n'>".join(line) for line in lines)
    return "<table>" + "\n".join(text) + "</table>"


def write(
    folder: Path, checkpoint: Path, rows: Sequence[Row], parts: Mapping[str, Sequence[str]]
) -> Path:
    """Write the table and the parts, by title, above what `tools/analysis/report.py` shows."""
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
    before += f"<h2>Test</h2>{drawn_table(rows)}\n"
    for title, lines in parts.items():
        text = html.escape(printable("\n".join(lines)))
        before += f"<h2>{title}</h2><pre style='white-space:pre-wrap'>{text}</pre>\n"
    AtomicBackend().put((before + found + after).encode(), path)
    if details:
        os.replace(drawn / table.name, table)  # now both are whole
        shutil.rmtree(drawn)
    return path
