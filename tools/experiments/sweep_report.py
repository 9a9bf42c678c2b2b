"""Tables and pictures of a study, written into the marked sections of its document.

``tables`` of a study: by section of the document ``dict(title=..., rows={label: row})``. The
section ``setup`` takes what all runs share, ``plot`` the accuracies as a picture and ``curves``
the error curves of the study's ``curves``, ``{label: row}``. All else in the document is
written by hand and is kept.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from studies import Study

from f4d_mmaction.analysis.report import markdown_table, write_section
from f4d_mmaction.visualization.curves import Errors, plot_runs
from f4d_mmaction.visualization.style import (
    BLUE,
    MUTED,
    ORANGE,
    new_figure,
    plain,
    save,
    with_style,
)

NOT_RUN = "not run yet"


Results = dict[str, list[dict]]  # of the finished seeds of each row


def summarize(study: Study) -> Results:
    """Collect the finished runs of every row."""
    finished = study.finished()
    return {
        row: [finished[run.key] for run in study.runs_of(row) if run.key in finished]
        for row in study.rows
    }


def percent(fractions: Sequence[float]) -> str:
    """Show mean (lowest to highest) in percent; the mean alone for one value."""
    if len(fractions) == 1:
        return f"{fractions[0]:.1%}"
    return f"{mean(fractions):.1%} ({min(fractions):.1%} to {max(fractions):.1%})"


def mean_errors(results: Sequence[dict]) -> Errors:
    """Average the errors of each epoch over the seeds."""
    train, test = (
        {int(epoch): mean(found[name][epoch] for found in results) for epoch in results[0][name]}
        for name in ("train_error", "test_error")
    )
    return Errors(train, test, by_epoch=True)


def table(study: Study, rows: dict[str, str], results: Results) -> str:
    """Show rows, given by label, as a Markdown table."""
    lines = []
    for label, row in rows.items():
        found = results[row]
        seeds = f"{len(found)} of {len(study.seeds)}"
        if not found:
            lines.append([label, NOT_RUN, "", seeds, "", "", ""])
            continue
        lines.append(
            [
                label,
                percent([each["accuracy"] for each in found]),
                percent([each["accuracy_reversed"] for each in found]),
                seeds,
                f"{found[0]['params'] / 1e3:.0f} k",
                f"{found[0]['macs'] / 1e6:.1f} M",
                f"{mean(each['cpu_seconds'] for each in found):.0f} s",
            ]
        )
    header = ["", "top-1", "units reversed", "seeds", "params", "multiply-adds", "CPU time"]
    return markdown_table(header, lines)


def setup(study: Study) -> str:
    """Say how many runs are finished and what the benchmark is made by."""
    finished, runs = study.finished(), study.runs()
    done = [finished[run.key] for run in runs if run.key in finished]
    minutes = sum(result["cpu_seconds"] for result in done) / 60
    progress = f"{len(done)} of {len(runs)} runs are finished; they took {minutes:.0f} CPU minutes."
    stacks = sorted({f"torch {result['torch']}" for result in done})
    made_by = f"`python tools/data/make_benchmark.py {' '.join(study.benchmark_arguments)}`"
    return f"{progress} ({', '.join(stacks)}) The benchmark is made by\n{made_by}."


def write_report(study: Study) -> Path:
    """Write tables, and pictures where it has their sections, into the study's document.

    Raises:
        FileNotFoundError: there is no such document.
        ValueError: it lacks a section.
    """
    results = summarize(study)
    sections = {"setup": setup(study)}
    for name, content in study.tables.items():
        rows = table(study, content["rows"], results)
        sections[name] = f"**{content['title']}**\n\n{rows}"
    folder = study.results.parent
    pictures = {
        "plot": plot_tables(study, results, folder / "accuracy.png"),
        "curves": plot_curves(study, results, folder / "curves.png"),
    }
    for name, picture in pictures.items():
        path = picture and Path(os.path.relpath(picture, study.document.parent)).as_posix()
        if f"<!-- {name} -->" in study.document.read_text(encoding="utf-8"):
            sections[name] = f"![{name}]({path})" if path else f"({NOT_RUN})"
    for name, text in sections.items():
        write_section(study.document, name, text)
    return study.document


def plot_curves(study: Study, results: Results, out: Path) -> Path | None:
    """Draw training and test error by epoch, averaged over seeds; None where nothing has run."""
    runs = {label: mean_errors(results[row]) for label, row in study.curves.items() if results[row]}
    return plot_runs(runs, out) if runs else None


@with_style
def plot_tables(study: Study, results: Results, out: Path) -> Path | None:
    """Draw a panel per table: a dot a seed, a bar for the mean; None where nothing has run."""
    panels = {}
    for content in study.tables.values():
        found = {label: results[row] for label, row in content["rows"].items() if results[row]}
        if found:
            panels[content["title"]] = {
                label: [result["accuracy"] for result in seeds] for label, seeds in found.items()
            }
    if not panels:
        return None
    columns = min(2, len(panels))
    heights = [len(rows) for rows in panels.values()]
    heights = [max(heights[first : first + columns]) for first in range(0, len(panels), columns)]
    figure = new_figure(4.6 * columns, 0.24 * sum(heights) + 0.75 * len(heights))
    grid = figure.subplots(
        len(heights), columns, sharex=True, squeeze=False, height_ratios=[h + 1 for h in heights]
    )
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    chance = 1 / study.runs()[0].config.model.cls_head.num_classes
    for axes, (title, rows) in zip(grid.flat, panels.items()):
        draw_rows(axes, rows, chance)
        axes.set_title(title, loc="left", fontsize=9, fontweight="bold")
    grid[0, 0].set_xlim(0, 1)
    figure.tight_layout()
    return save(figure, out)


def draw_rows(axes: Axes, rows: dict[str, list[float]], chance: float) -> None:
    """Draw the accuracies of the seeds of each row, given by label."""
    plain(axes)
    axes.grid(visible=False)
    axes.axvline(chance, color=MUTED, linewidth=0.8, linestyle=":")
    for place, seeds in enumerate(rows.values()):
        axes.barh(place, mean(seeds), height=0.6, color=BLUE, alpha=0.35)
        axes.plot(seeds, [place] * len(seeds), "o", color=ORANGE, markersize=3.5)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.tick_params(labelbottom=True)
