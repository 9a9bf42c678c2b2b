"""What a benchmark is made of."""

from dataclasses import dataclass
from math import factorial

SPLITS = ("train", "test")
STORAGES = ("mp4", "frames")
CUES = ("shape", "motion", "both")
NUM_PHASES = 4
DECORD_MISREADS = (48, 72)  # of the even widths from 32 to 128; dmlc/decord issues 93 and 336


@dataclass(frozen=True)
class PhaseOrderOptions:
    """Options of a benchmark; equal options give equal files.

    Args:
        seed: Of everything random. Each video has its own stream, so it does not depend on others.
        num_classes: Orders of the four phases, at most 24. They are drawn in pairs, an order and
            its reverse, so that each phase comes in each position about equally often.
        num_train: Videos of the training split.
        num_test: Videos of the test split.
        num_frames: Frames of a video.
        size: Height and width of a video in pixels, even; not 48 or 72, which decord misreads.
        storage: 'mp4' (MPEG-4) or 'frames' (a folder of jpg frames a video).
        cue: What distinguishes phases. 'shape': each has its shape and color, and moves in a random
            direction. 'motion': all show one shape, chosen anew for every video, and each has its
            direction. 'both': phases share two shapes and two directions, and only the pair is a
            phase's own.
            Do not flip videos in training where motion is a cue: left and right are classes.
        boundary_jitter: How far a phase's boundary may shift, as a fraction of the mean phase.
        static_distractors: Smaller shapes of any kind that stay in place all through the video.
        moving_distractors: The same, bouncing through the frame.
        noise: Standard deviation of each pixel's noise in gray levels.
        texture: Standard deviation of a smooth, still background pattern in gray levels.
        color_jitter: 0 keeps each shape's color; at 1 hues are random and carry no information.

    Raises:
        ValueError: On an option out of its range.
    """

    seed: int = 0
    num_classes: int = 8
    num_train: int = 480
    num_test: int = 160
    num_frames: int = 64
    size: int = 64
    storage: str = "mp4"
    cue: str = "shape"
    boundary_jitter: float = 0.0
    static_distractors: int = 0
    moving_distractors: int = 0
    noise: float = 0.0
    texture: float = 0.0
    color_jitter: float = 0.0

    def __post_init__(self) -> None:
        orders = factorial(NUM_PHASES)
        readable = self.storage == "frames" or self.size not in DECORD_MISREADS
        shortest = self.num_frames / NUM_PHASES * (1 - 2 * self.boundary_jitter)
        not_negative = ("seed", "static_distractors", "moving_distractors", "noise", "texture")
        videos = "at least one video a class"
        rules = [
            *((name, getattr(self, name) >= 0, "0 or more") for name in not_negative),
            (
                "num_classes",
                2 <= self.num_classes <= orders,
                f"2 to {orders} orders",
            ),
            ("num_train", self.num_train >= self.num_classes, videos),
            ("num_test", self.num_test >= self.num_classes, videos),
            ("size", self.size >= 32 and self.size % 2 == 0, "even and at least 32"),
            ("storage", self.storage in STORAGES, f"one of {STORAGES}"),
            (
                "size",
                readable,
                f"none of {DECORD_MISREADS}, which decord reads as four channels and fails; choose "
                "another size, or storage='frames'",
            ),
            ("cue", self.cue in CUES, f"one of {CUES}"),
            ("boundary_jitter", 0 <= self.boundary_jitter < 0.5, "in [0, 0.5)"),
            ("color_jitter", 0 <= self.color_jitter <= 1, "in [0, 1]"),
            (
                "num_frames",
                shortest >= 3,
                f"enough for {NUM_PHASES} phases of 3 frames or more; the shortest would have "
                f"{shortest:.1f} (more frames or less boundary_jitter)",
            ),
        ]
        for name, holds, expected in rules:
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
