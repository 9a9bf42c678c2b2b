"""The first thing a newcomer sees: a study of a few networks, as one table and one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from phase_order import preview

from .sweep import Run, Study, sweep
from .sweep_report import plot_curves, summarize, table


def run_quickstart(study: Study, rows: Sequence[str], threads: int) -> list[Run]:
    """Train and test what is not there yet, print the table and draw the picture.

    Args:
        study: Of the networks to choose from.
        rows: The networks to run.
        threads: Of each run.

    Returns:
        The runs that failed.
    """
    failed = sweep(study, rows, threads=threads)
    summaries = summarize(study)
    chosen = {label: row for label, row in study.curves.items() if row in rows}
    text = table(chosen, summaries)
    folder = study.results.parent
    curves = plot_curves(study, summaries, folder / "curves.png")
    if curves is not None:
        frames = preview(study.benchmark["root"], folder / "frames.png", num_videos=4)
        stack_pictures([frames, curves], folder / "quickstart.png")
    study.document.write_text(f"{text}\n", encoding="utf-8")
    return failed


def stack_pictures(pictures: Sequence[Path], out: Path) -> Path:
    """Write pictures below each other, each at the width of the widest, on white."""
    images = [cv2.imread(str(picture)) for picture in pictures]
    width = max(image.shape[1] for image in images)
    rows = []
    for image in images:
        left = (width - image.shape[1]) // 2
        right = width - image.shape[1] - left
        rows.append(np.pad(image, ((12, 12), (left, right), (0, 0)), constant_values=255))
    cv2.imwrite(str(out), np.concatenate(rows))
    return out
