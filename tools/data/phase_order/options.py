"""What a benchmark is made of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import factorial

SPLITS = ("train", "test")
STORAGES = ("mp4", "avi", "frames")
CUES = ("shape", "motion", "both")
MAX_PHASES = 8
DECORD_MISREADS = (48, 72)  # of the even widths from 32 to 128; dmlc/decord issues 93 and 336


@dataclass(frozen=True)
class PhaseOrderOptions:
    """Options of a benchmark; equal options give equal files.

    Args:
        seed: Of everything random. Each video has its own stream, so it does not depend on others.
        num_phases: Phases in a video, 2 to 8, each of another kind.
        num_classes: Orders of the phases, at most ``num_phases!``. They are drawn in pairs, an
            order and its reverse, so that each phase comes in each position about equally often.
        num_train: Videos of the training split.
        num_test: Videos of the test split.
        num_frames: Frames of a video.
        size: Height and width of a video in pixels, even; not 48 or 72, which decord misreads.
        fps: Frames per second written into the files.
        storage: 'mp4' (MPEG-4), 'avi' (Motion JPEG) or 'frames' (a folder of jpg frames a video).
        cue: What tells phases apart. 'shape': each has its shape and color, and moves in a random
            direction. 'motion': all show one shape, chosen anew for every video, and each has its
            motion. 'both': phases share two shapes and a few motions, and only the pair tells.
            Do not flip videos in training where motion is a cue: left and right are classes.
        boundary_jitter: How far a phase's boundary may shift, as a fraction of the mean phase.
        gap: Frames between two phases that show no actor. With a gap as long as an action unit,
            no unit ever sees two phases.
        shape_size: Diameter of an actor as a fraction of ``size``.
        static_distractors: Smaller shapes of any kind that stay in place all through the video.
        moving_distractors: The same, bouncing through the frame.
        noise: Standard deviation of each pixel's noise in gray levels.
        texture: Standard deviation of a smooth, still background pattern in gray levels.
        color_jitter: 0 keeps each shape's color; at 1 hues are random and tell nothing.

    Raises:
        TypeError: On an option of another type than its default.
        ValueError: On an option out of its range.
    """

    seed: int = 0
    num_phases: int = 4
    num_classes: int = 8
    num_train: int = 480
    num_test: int = 160
    num_frames: int = 64
    size: int = 64
    fps: int = 16
    storage: str = "mp4"
    cue: str = "shape"
    boundary_jitter: float = 0.0
    gap: int = 0
    shape_size: float = 0.3
    static_distractors: int = 0
    moving_distractors: int = 0
    noise: float = 0.0
    texture: float = 0.0
    color_jitter: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            if not isinstance(value, (int, float) if kind is float else kind):
                raise TypeError(f"{field.name}={value!r}: expected {kind.__name__}.")
        for name in ("seed", "gap", "static_distractors", "moving_distractors", "noise", "texture"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        self._require("num_phases", 2 <= self.num_phases <= MAX_PHASES, f"2 to {MAX_PHASES}")
        orders = factorial(self.num_phases)
        self._require(
            "num_classes",
            2 <= self.num_classes <= orders,
            f"2 to {orders}, the orders of {self.num_phases} phases",
        )
        for name in ("num_train", "num_test"):
            self._require(
                name, getattr(self, name) >= self.num_classes, "at least one video a class"
            )
        self._require("size", self.size >= 32 and self.size % 2 == 0, "even and at least 32")
        self._require("storage", self.storage in STORAGES, f"one of {STORAGES}")
        self._require(
            "size",
            self.storage == "frames" or self.size not in DECORD_MISREADS,
            f"none of {DECORD_MISREADS}, which decord reads as four channels and fails; choose "
            "another size, or storage='frames'",
        )
        self._require("fps", self.fps >= 1, "1 or more")
        self._require("cue", self.cue in CUES, f"one of {CUES}")
        self._require("boundary_jitter", 0 <= self.boundary_jitter < 0.5, "in [0, 0.5)")
        self._require("shape_size", 0.1 <= self.shape_size <= 0.45, "in [0.1, 0.45]")
        self._require("color_jitter", 0 <= self.color_jitter <= 1, "in [0, 1]")
        shortest = self.num_frames / self.num_phases * (1 - 2 * self.boundary_jitter) - self.gap
        self._require(
            "num_frames",
            shortest >= 3,
            f"enough for {self.num_phases} phases of 3 frames or more; the shortest would have "
            f"{shortest:.1f} (more frames, fewer phases, less boundary_jitter or a smaller gap)",
        )

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ValueError(f"{name}={getattr(self, name)!r}: expected {expected}.")

    def num_videos(self, split: str) -> int:
        """Number of videos of a split."""
        return {"train": self.num_train, "test": self.num_test}[split]


PRESETS: dict[str, dict] = {
    "easy": {},
    "hard": {  # four phases of two shapes have six patterns of looks: alone, at most half right
        "num_classes": 12,
        "num_test": 240,
        "num_frames": 96,
        "cue": "both",
        "boundary_jitter": 0.15,
        "static_distractors": 1,
        "moving_distractors": 1,
        "noise": 6.0,
        "texture": 10.0,
        "color_jitter": 0.5,
    },
}


def options_of(preset: str = "easy", **changes: object) -> PhaseOrderOptions:
    """Return the options of a preset, with some of them changed."""
    if preset not in PRESETS:
        raise ValueError(f"preset={preset!r}: expected one of {tuple(PRESETS)}.")
    return PhaseOrderOptions(**{**PRESETS[preset], **changes})
