"""Tables and pictures of a study, written into the marked sections of its document.

``tables`` of a study: by section of the document ``dict(title=..., rows={label: row})``. The
section ``setup`` takes what all runs share, ``plot`` the accuracies as a picture and ``curves``
the error curves of the study's ``curves``, ``{label: row}``. All else in the document is written by
hand and stays.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from studies import Study

from f4d_mmaction.analysis.report import markdown_table, write_section
from f4d_mmaction.visualization.curves import Errors, plot_errors
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


@dataclass(frozen=True)
class Summary:
    """The finished seeds of a row; accuracies are fractions."""

    results: list[dict]
    expected: int

    def mean(self, name: str) -> float:
        """Average a number over the seeds."""
        return mean(result[name] for result in self.results)

    def spread(self, name: str) -> tuple[float, float]:
        """Return the lowest and the highest value over the seeds."""
        values = [result[name] for result in self.results]
        return min(values), max(values)

    def percent(self, name: str) -> str:
        """Show mean (lowest to highest) in percent; the mean alone for one seed."""
        shown = f"{self.mean(name):.1%}"
        if len(self.results) > 1:
            low, high = self.spread(name)
            shown += f" ({low:.1%} to {high:.1%})"
        return shown

    def curves(self) -> Errors:
        """Average the errors of each epoch over the seeds."""
        train, test = (
            {
                int(epoch): mean(r[name][epoch] for r in self.results)
                for epoch in self.results[0][name]
            }
            for name in ("train_error", "test_error")
        )
        return Errors(train, test, by_epoch=True)


def summarize(study: Study) -> dict[str, Summary]:
    """Collect the finished runs of every row."""
    finished = study.finished()
    return {
        row: Summary(
            [finished[run.key] for run in study.runs_of(row) if run.key in finished],
            len(study.seeds),
        )
        for row in study.rows
    }


def table(rows: dict[str, str], summaries: dict[str, Summary]) -> str:
    """Show rows, given by label, as a Markdown table."""
    lines = []
    for label, row in rows.items():
        found = summaries[row]
        if not found.results:
            lines.append([label, NOT_RUN, "", f"0 of {found.expected}", "", "", ""])
            continue
        lines.append(
            [
                label,
                found.percent("accuracy"),
                found.percent("accuracy_reversed"),
                f"{len(found.results)} of {found.expected}",
                f"{found.results[0]['params'] / 1e3:.0f} k",
                f"{found.results[0]['macs'] / 1e6:.1f} M",
                f"{found.mean('cpu_seconds'):.0f} s",
            ]
        )
    header = ["", "top-1", "units reversed", "seeds", "params", "multiply-adds", "CPU time"]
    return markdown_table(header, lines)


def setup(study: Study, summaries: dict[str, Summary]) -> str:
    """Say how many runs are finished and what the benchmark is made by."""
    finished, runs = study.finished(), study.runs()
    done = [finished[run.key] for run in runs if run.key in finished]
    minutes = sum(result["cpu_seconds"] for result in done) / 60
    progress = f"{len(done)} of {len(runs)} runs are finished; they took {minutes:.0f} CPU minutes."
    stacks = sorted({f"torch {result['torch']}" for result in done})
    made_by = f"`python tools/data/make_benchmark.py {' '.join(study.benchmark_arguments)}`"
    return f"{progress} ({', '.join(stacks)}) The benchmark is made by\n{made_by}."


def write_report(study: Study) -> Path:
    """Write tables and pictures into the study's document, and return its path.

    Raises:
        FileNotFoundError: there is no such document.
        ValueError: it lacks a section.
    """
    summaries = summarize(study)
    write_section(study.document, "setup", setup(study, summaries))
    for section, content in study.tables.items():
        text = f"**{content['title']}**\n\n{table(content['rows'], summaries)}"
        write_section(study.document, section, text)
    folder = study.results.parent
    drawn = {
        "plot": plot_tables(study, summaries, folder / "accuracy.png"),
        "curves": plot_curves(study, summaries, folder / "curves.png"),
    }
    for section, picture in drawn.items():
        if picture:
            path = os.path.relpath(picture, study.document.parent)
            text = f"![{section}]({Path(path).as_posix()})"
        else:
            text = f"({NOT_RUN})"
        write_section(study.document, section, text)
    return study.document


def plot_curves(study: Study, summaries: dict[str, Summary], out: Path) -> Path | None:
    """Draw training and test error by epoch, averaged over seeds; None where nothing has run."""
    rows = _finished_rows(study.curves, summaries)
    runs = {label: summaries[row].curves() for label, row in rows.items()}
    return plot_errors(runs, out) if runs else None


@with_style
def plot_tables(study: Study, summaries: dict[str, Summary], out: Path) -> Path | None:
    """Draw a panel per table: a dot a seed, a bar for the mean; None where nothing has run."""
    tables = [_finished_rows(content["rows"], summaries) for content in study.tables.values()]
    shown = [pair for pair in zip(study.tables.values(), tables) if pair[1]]
    if not shown:
        return None
    columns = min(2, len(shown))
    lines = -(-len(shown) // columns)
    heights = [
        max(len(rows) for _, rows in shown[columns * line : columns * (line + 1)])
        for line in range(lines)
    ]
    figure = new_figure(4.6 * columns, 0.24 * sum(heights) + 0.75 * lines)
    grid = figure.subplots(
        lines, columns, sharex=True, squeeze=False, height_ratios=[h + 1 for h in heights]
    )
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    chance = 1 / study.runs()[0].config.model.cls_head.num_classes
    for axes, (content, rows) in zip(grid.flat, shown):
        _draw_rows(axes, rows, summaries, chance)
        axes.set_title(content["title"], loc="left", fontsize=9, fontweight="bold")
        axes.tick_params(labelbottom=True)
    grid[0, 0].set_xlim(0, 1)
    figure.tight_layout()
    return save(figure, out)


def _finished_rows(rows: dict[str, str], summaries: dict[str, Summary]) -> dict[str, str]:
    return {label: row for label, row in rows.items() if summaries[row].results}


def _draw_rows(
    axes: Axes, rows: dict[str, str], summaries: dict[str, Summary], chance: float
) -> None:
    plain(axes)
    axes.grid(visible=False)
    axes.axvline(chance, color=MUTED, linewidth=0.8, linestyle=":")
    for place, row in enumerate(rows.values()):
        found = summaries[row]
        seeds = [result["accuracy"] for result in found.results]
        axes.barh(place, found.mean("accuracy"), height=0.6, color=BLUE, alpha=0.35)
        axes.plot(seeds, [place] * len(seeds), "o", color=ORANGE, markersize=3.5)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
