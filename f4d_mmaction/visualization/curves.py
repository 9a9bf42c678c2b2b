"""Training and validation error of runs side by side, as the paper's Fig. 4, from their logs."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..json_lines import read_json_lines
from .style import BLUE, ORANGE, new_figure, plain, save, with_style


@dataclass
class Errors:
    """Top-1 errors, 0 to 1, of one run by epoch (by iteration where it counts no epochs)."""

    train: dict[int, float] = field(default_factory=dict)
    val: dict[int, float] = field(default_factory=dict)
    by_epoch: bool = False


def read_errors(work_dir: str | os.PathLike) -> Errors:
    """Read the errors of a run from the ``vis_data/scalars.json`` of its work directory.

    A resumed run leaves one log for each start: later ones go on from earlier ones, and a run begun
    anew replaces them. An epoch's training error is that of its last line, which is the epoch's
    mean under this project's ``log_processor`` (a single batch's under MMEngine's own).

    Raises:
        FileNotFoundError: there is no log, or the folder holds those of several runs.
        ValueError: the log holds no top-1 accuracy.
    """
    work_dir, name = Path(work_dir), "vis_data/scalars.json"
    logs = sorted([*work_dir.glob(name), *work_dir.glob(f"*/{name}")])  # of a start, or of all
    if not logs:
        if runs := sorted({str(log.parents[2]) for log in work_dir.glob(f"*/**/{name}")}):
            raise FileNotFoundError(
                f"{work_dir} is no run's work directory, but holds some: name {' or '.join(runs)}"
            )
        raise FileNotFoundError(
            f"{work_dir} holds no {name}: is it the work directory of a run whose "
            "visualizer has the LocalVisBackend?"
        )
    errors = Errors()
    for log in logs:
        train, val = {}, {}
        for entry in read_json_lines(log):
            if "top1_acc" in entry:
                errors.by_epoch |= "epoch" in entry
                train[entry.get("epoch", entry["step"])] = 1 - entry["top1_acc"]
            elif "acc/top1" in entry:
                val[entry["step"]] = 1 - entry["acc/top1"]
        first = min(train, default=math.inf)
        errors.train = {place: e for place, e in errors.train.items() if place < first} | train
        errors.val = {place: e for place, e in errors.val.items() if place < first} | val
    if not errors.train and not errors.val:
        raise ValueError(f"{logs[-1]} holds no top-1 accuracy: neither 'top1_acc' nor 'acc/top1'")
    return errors


@with_style
def plot_runs(runs: Mapping[str, Errors], out: str | os.PathLike) -> Path:
    """Draw a panel for each run by its name, all on the same axes; the suffix chooses the format.

    Raises:
        ValueError: no run at all.
    """
    if not runs:
        raise ValueError("expected at least one run to plot")
    columns = min(len(runs), 3)
    rows = -(-len(runs) // columns)
    figure = new_figure({1: 5.2, 2: 7.6, 3: 10.2}[columns], 3.1 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(runs) :]:
        axes.set_visible(False)
    for axes, (name, errors) in zip(grid.flat, runs.items()):
        _draw(axes, name, errors)
        axes.set_xlabel("epoch" if errors.by_epoch else "iteration")
        axes.tick_params(labelbottom=True)
    grid[0, 0].set_ylim(bottom=0)
    for row in grid:
        row[0].set_ylabel("top-1 error")
    grid[0, 0].legend(frameon=False, loc="upper right")
    figure.tight_layout()
    return save(figure, out)


def _draw(axes: Axes, name: str, errors: Errors) -> None:
    plain(axes)
    axes.set_title(name, loc="left", fontsize=10, fontweight="bold")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for curve, label, color in (errors.train, "training", ORANGE), (errors.val, "validation", BLUE):
        steps = sorted(curve)
        marker = "o" if len(steps) <= 30 else None
        values = [curve[step] for step in steps]
        axes.plot(steps, values, color=color, linewidth=1.8, marker=marker, ms=3.5, label=label)
