"""Tables and pictures of a study, written into the marked sections of its document.

``tables`` of a study: by section of the document ``dict(title=..., rows={label: row})``. The
section ``setup`` takes what all runs share, ``plot`` the accuracies as a picture and ``curves``
the error curves of the study's ``curves``, ``{label: row}``. All else in the document is
written by hand and is kept.

With ``reference``, a row, tables show its difference to each row on the same seeds and clips; with
``opposites``, ``{class: class}``, how often reversed units are called by the opposite class. The
sections and pictures of a study that shares its document bear its ``prefix``, and it has a
``confusion`` of each network of ``curves``.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from paired import confusion, opposite_share, paired_difference
from studies import Study

from f4d_mmaction.analysis.report import markdown_table, write_section
from f4d_mmaction.visualization import style
from f4d_mmaction.visualization.curves import Errors, plot_runs

NOT_RUN = "Not run yet"


Results = dict[str, list[dict]]  # of the finished seeds of each row


def summarize(study: Study) -> Results:
    """Collect the finished runs of every row, without seeds that have only begun their folds."""
    finished = study.finished()
    return {
        row: whole_seeds([finished[run.key] for run in study.runs([row]) if run.key in finished])
        for row in study.rows
    }


def whole_seeds(results: Sequence[dict]) -> list[dict]:
    """Leave out seeds of fewer clips than another: one fold is no estimate of all."""
    clips: Counter[int] = Counter()
    for found in results:
        clips[found["seed"]] += len(found.get("labels", "1"))
    return [found for found in results if clips[found["seed"]] == max(clips.values())]


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


def by_seed(results: Sequence[dict], name: str) -> list[float]:
    """Average a figure over the splits of each seed, each split by its number of clips."""
    totals: dict[int, list[float]] = {}
    for found in results:
        clips = len(found.get("labels", "1"))
        total = totals.setdefault(found["seed"], [0, 0])
        total[0] += clips * found[name]
        total[1] += clips
    return [total / clips for total, clips in totals.values()]


def table(study: Study, rows: dict[str, str], results: Results) -> str:
    """Show rows, given by label, as a Markdown table, and name those that have not run."""
    columns = ["", "top-1", "units reversed", "runs", "params", "multiply-adds", "CPU time"]
    if study.opposites:
        columns.insert(3, "reversed, called by the opposite")
    if study.reference:
        first = next((label for label, row in rows.items() if row == study.reference), "the first")
        columns.insert(2, f"lead of {first.partition(':')[0]}, points [95 %]")
    lines = []
    for label, row in rows.items():
        found = results[row]
        if not found:
            continue
        line = [
            label,
            percent(by_seed(found, "accuracy")),
            percent(by_seed(found, "accuracy_reversed")),
            f"{len(found)} of {len(study.runs([row]))}",
            f"{found[0]['params'] / 1e3:.0f} k",
            f"{found[0]['macs'] / 1e6:.1f} M",
            f"{mean(each['cpu_seconds'] for each in found):.0f} s",
        ]
        if study.opposites:
            share = opposite_share(found, study.opposites)
            line.insert(3, "" if share is None else f"{share:.0%}")
        if study.reference:
            line.insert(2, difference(results[study.reference], found))
        lines.append(line)
    text = markdown_table(columns, lines) if lines else ""
    missing = [label for label, row in rows.items() if not results[row]]
    return text + (f"\n\n{NOT_RUN}: {'; '.join(missing)}." if missing else "")


def difference(reference: Sequence[dict], found: Sequence[dict]) -> str:
    """Show by how many points the reference is better, with the interval."""
    gain = None if reference == found else paired_difference(reference, found)
    if gain is None:
        return ""
    return f"{100 * gain.value:.1f} [{100 * gain.low:.1f}, {100 * gain.high:.1f}]"


def setup(study: Study) -> str:
    """Say how many runs are finished and what the benchmark is made by."""
    finished, runs = study.finished(), study.runs()
    done = [finished[run.key] for run in runs if run.key in finished]
    minutes = sum(result["cpu_seconds"] for result in done) / 60
    progress = f"{len(done)} of {len(runs)} runs are finished; they took {minutes:.0f} CPU minutes."
    stacks = sorted({f"torch {result['torch']}" for result in done}) or ["none yet"]
    made_by = study.benchmark.get("command") or " ".join(
        ["python tools/data/make_benchmark.py", *study.benchmark_arguments]
    )
    return f"{progress} ({', '.join(stacks)}) The data is made by\n`{made_by}`."


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
    start = f"{study.results.parent}/{study.prefix}"
    text = study.document.read_text(encoding="utf-8")
    for name, draw, file in (
        ("plot", plot_tables, "accuracy.png"),
        ("curves", plot_curves, "curves.png"),
        ("confusion", plot_confusion, "confusion.png"),
    ):
        if f"<!-- {study.prefix}{name} -->" in text:
            picture = draw(study, results, Path(f"{start}{file}"))
            path = picture and Path(os.path.relpath(picture, study.document.parent)).as_posix()
            sections[name] = f"![{name}]({path})" if path else f"{NOT_RUN}."
    for name, text in sections.items():
        write_section(study.document, study.prefix + name, text)
    return study.document


def plot_curves(study: Study, results: Results, out: Path) -> Path | None:
    """Draw training and test error by epoch, averaged over seeds; None where nothing has run."""
    runs = {label: mean_errors(results[row]) for label, row in study.curves.items() if results[row]}
    return plot_runs(runs, out) if runs else None


@style.with_style
def plot_tables(study: Study, results: Results, out: Path) -> Path | None:
    """Draw a panel per table: a dot a seed, a bar for the mean; None where nothing has run."""
    panels = {}
    for content in study.tables.values():
        found = {label: results[row] for label, row in content["rows"].items() if results[row]}
        if found:
            panels[content["title"]] = {
                label: by_seed(runs, "accuracy") for label, runs in found.items()
            }
    if not panels:
        return None
    columns = min(2, len(panels))
    heights = [len(rows) for rows in panels.values()]
    heights = [max(heights[first : first + columns]) for first in range(0, len(panels), columns)]
    figure = style.new_figure(4.6 * columns, 0.24 * sum(heights) + 0.75 * len(heights))
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
    return style.save(figure, out)


@style.with_style
def plot_confusion(study: Study, results: Results, out: Path) -> Path | None:
    """Draw which class is taken for which, in percent, a panel a network of ``curves``."""
    found = {label: results[row] for label, row in study.curves.items() if results[row]}
    if not found:
        return None
    config = study.runs()[0].config
    names = [str(number) for number in range(config.model.cls_head.num_classes)]
    if classes := config.test_dataloader.dataset.get("metainfo", {}).get("classes"):
        names = Path(classes).read_text(encoding="utf-8").splitlines()
    figure = style.new_figure(3.6 * len(found), 4)
    for axes, (label, runs) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items()):
        counts = confusion(runs, len(names))
        axes.imshow(counts / counts.sum(1, keepdims=True).clip(1), cmap="Blues", vmin=0, vmax=1)
        axes.set_title(label, loc="left", fontsize=9, fontweight="bold")
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
        axes.set_yticks(range(len(names)), names, fontsize=6)
        axes.set_xlabel("predicted")
    figure.tight_layout()
    return style.save(figure, out)


def draw_rows(axes: Axes, rows: dict[str, list[float]], chance: float) -> None:
    """Draw the accuracies of the seeds of each row, given by label."""
    style.plain(axes)
    axes.grid(visible=False)
    axes.axvline(chance, color=style.MUTED, linewidth=0.8, linestyle=":")
    for place, seeds in enumerate(rows.values()):
        axes.barh(place, mean(seeds), height=0.6, color=style.BLUE, alpha=0.35)
        axes.plot(seeds, [place] * len(seeds), "o", color=style.ORANGE, markersize=3.5)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.tick_params(labelbottom=True)
