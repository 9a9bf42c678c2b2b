"""A contact sheet of a benchmark."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .generating import read_meta, read_video
from .options import NUM_PHASES

FRAMES_PER_PHASE = 3


def preview(root: str | os.PathLike, path: str | os.PathLike, num_videos: int = 6) -> Path:
    """Draw a contact sheet of the test videos and return its path.

    A row is a video, one of each of the first classes, with its class at the left; frames are in
    time order, evenly spread over each phase, and a gap parts the phases.
    """
    meta = read_meta(root)
    videos = meta["videos"]["test"][: min(num_videos, len(meta["classes"]))]
    width = 1.4 + 0.72 * NUM_PHASES * (FRAMES_PER_PHASE + 0.25)
    height = 0.75 + 0.8 * len(videos)
    figure = Figure(figsize=(width, height), dpi=140)
    grid = figure.add_gridspec(len(videos), NUM_PHASES, wspace=0.06, hspace=0.1)
    figure.subplots_adjust(1.3 / width, 0.1 / height, 1 - 0.1 / width, 1 - 0.65 / height)
    for row, video in enumerate(videos):
        frames = read_video(root, video)
        for column, phase in enumerate(video["phases"]):
            axes = figure.add_subplot(grid[row, column])
            _draw_phase(axes, frames, phase)
            if row == 0:
                axes.set_title(f"phase {column + 1}", fontsize=9, color="0.35")
            if column == 0:
                name = meta["classes"][video["label"]].replace(" > ", "\n> ")
                axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8.5)
    figure.suptitle(
        "A class is the order of its phases; time runs to the right", y=1 - 0.1 / height
    )
    figure.savefig(path)
    return Path(path)


def _draw_phase(axes: Axes, frames: np.ndarray, phase: dict) -> None:
    """Show frames of a phase side by side, a white line between them."""
    middles = (np.arange(FRAMES_PER_PHASE) + 0.5) / FRAMES_PER_PHASE
    times = phase["first"] + np.rint((phase["last"] - phase["first"]) * middles).astype(int)
    padded = np.pad(frames[times], ((0, 0), (0, 0), (0, 2), (0, 0)), constant_values=255)
    axes.imshow(np.concatenate(list(padded), axis=1)[:, :-2], interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
