"""A contact sheet of a benchmark."""

import os
from pathlib import Path

import numpy as np
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
    width = 1.4 + 0.75 * NUM_PHASES * FRAMES_PER_PHASE
    figure = Figure(figsize=(width, 0.75 + 0.82 * len(videos)), dpi=140, layout="constrained")
    for axes, video in zip(figure.subplots(len(videos), squeeze=False).flat, videos):
        strips = [_strip(phase, read_video(root, video)) for phase in video["phases"]]
        axes.imshow(np.concatenate(strips, axis=1), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        name = meta["classes"][video["label"]].replace(" > ", "\n> ")
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8.5)
    figure.suptitle("A class is the order of its phases; time runs to the right")
    figure.savefig(path)
    return Path(path)


def _strip(phase: dict, frames: np.ndarray) -> np.ndarray:
    """Frames of a phase side by side, a white line between them and more at the end."""
    middles = (np.arange(FRAMES_PER_PHASE) + 0.5) / FRAMES_PER_PHASE
    times = phase["first"] + np.rint((phase["last"] - phase["first"]) * middles).astype(int)
    white = np.full_like(frames[0], 255)
    parts = [part for time in times for part in (frames[time], white[:, :2])]
    return np.concatenate([*parts, white[:, :8]], axis=1)
