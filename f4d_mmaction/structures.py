"""Results as plain data: what a network makes of a video, and its scores along a long one."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Prediction(NamedTuple):
    """One class and how sure the network is of it, 0 to 1."""

    label: int
    name: str
    score: float


@dataclass
class Recognition:
    """What the network made of one video; of a bad one only ``path``, ``kind`` and ``error``.

    Attributes:
        path: The file.
        predictions: The best classes, best first.
        scores: (classes,).
        frames: What the network saw: RGB (U, T, H, W, 3) of uint8.
        frame_inds: (U, T), indices of these frames in the video.
        fps: Frames per second of the video; 0 where unknown.
        total_frames: Length of the video.
        maps: Attention by location and name, each (U, C or 1, T or 1, H or 1, W or 1).
        kind: What is wrong with the file: a value of ``BadVideoKind`` or ``'too_short'``.
        error: The same as a sentence.
    """

    path: str
    predictions: list[Prediction] = field(default_factory=list)
    scores: np.ndarray | None = None
    frames: np.ndarray | None = None
    frame_inds: np.ndarray | None = None
    fps: float = 0.0
    total_frames: int = 0
    maps: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    kind: str = ""
    error: str = ""

    def to_dict(self) -> dict:
        """Return what fits a line of JSON: path and predictions, or path and error."""
        if self.error:
            return {"path": self.path, "kind": self.kind, "error": self.error}
        top = [p._replace(score=round(p.score, 6))._asdict() for p in self.predictions]
        return {"path": self.path, "predictions": top}


@dataclass
class Timeline:
    """Scores of a video by window.

    Attributes:
        path: The file.
        classes: Names of the classes.
        edges: (sections + 1,), when each section starts, in seconds, and when the last one ends.
        units: U, sections in a window; window i covers sections i to i + U - 1.
        scores: (windows, classes).
        seconds: How long the computation took.
    """

    path: str
    classes: list[str]
    edges: np.ndarray
    units: int
    scores: np.ndarray
    seconds: float = 0.0

    @property
    def starts(self) -> np.ndarray:
        """When each window starts, in seconds."""
        return self.edges[: len(self.scores)]

    @property
    def ends(self) -> np.ndarray:
        """When each window ends, in seconds."""
        return self.edges[self.units :]
