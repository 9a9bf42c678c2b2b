"""A benchmark of long-range order: classes that differ only in the order of their phases.

A video is a sequence of phases. In each phase one actor, a coloured shape, moves across the frame.
Every class holds the same phases once each; a class is an *order* of them. Whatever a network reads
from single frames or short clips, pooled without regard to time, is therefore the same for every
class: only a model that relates distant action units to each other can tell them apart.

The files are real: encoded videos (or folders of jpg frames) and annotation lists in MMAction2's
text format, with the ground truth of every frame in ``meta.json``. This module needs NumPy and
OpenCV; nothing here is registered.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from itertools import permutations
from math import ceil, factorial
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import MMLogger
from mmengine.utils import track_progress_rich

GENERATOR_VERSION = 1  # raise it when the same options no longer give the same files
SPLITS = ("train", "test")
STORAGES = ("mp4", "avi", "frames")
CUES = ("shape", "motion", "both")
MOTIONS = ("right", "left", "down", "up", "clockwise", "anticlockwise", "growing", "shrinking")
DECORD_MISREADS = (48, 72)  # of the even widths from 32 to 128; see PhaseOrderOptions
TRAVEL = 0.35  # how far an actor moves in one phase, in frame sizes
GROWTH = 1.35  # an actor that grows goes from 1 / GROWTH to GROWTH of its size


@dataclass(frozen=True)
class PhaseOrderOptions:
    """What a benchmark is made of; equal options give equal files.

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
        cue: What tells phases apart. 'shape': each has its shape and colour, and moves in a random
            direction. 'motion': all show one shape, chosen anew for every video, and each has its
            motion. 'both': phases share two shapes and a few motions, and only the pair tells.
            Do not flip videos in training where motion is a cue: left and right are classes.
        boundary_jitter: How far a phase's boundary may shift, as a fraction of the mean phase.
        gap: Frames between two phases that show no actor. With a gap as long as an action unit,
            no unit ever sees two phases.
        shape_size: Diameter of an actor as a fraction of ``size``.
        static_distractors: Smaller shapes of any kind that stay in place all through the video.
        moving_distractors: The same, bouncing through the frame.
        noise: Standard deviation of each pixel's noise in grey levels.
        texture: Standard deviation of a smooth, still background pattern in grey levels.
        colour_jitter: 0 keeps each shape's colour; at 1 hues are random and tell nothing.

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
    colour_jitter: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            if not isinstance(value, (int, float) if kind is float else kind):
                raise TypeError(f"{field.name}={value!r}: expected {kind.__name__}.")
        self._require("seed", self.seed >= 0, "0 or more")
        self._require("num_phases", 2 <= self.num_phases <= len(SHAPES), f"2 to {len(SHAPES)}")
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
        self._require(
            "size",
            self.storage == "frames" or self.size not in DECORD_MISREADS,
            f"none of {DECORD_MISREADS}: decord reads videos of these widths as four channels and "
            "fails (dmlc/decord issues 93, 336); choose another size, or storage='frames'",
        )
        self._require("fps", self.fps >= 1, "1 or more")
        self._require("storage", self.storage in STORAGES, f"one of {STORAGES}")
        self._require("cue", self.cue in CUES, f"one of {CUES}")
        self._require("boundary_jitter", 0 <= self.boundary_jitter < 0.5, "in [0, 0.5)")
        self._require("gap", self.gap >= 0, "0 or more")
        self._require("shape_size", 0.1 <= self.shape_size <= 0.45, "in [0.1, 0.45]")
        for name in ("static_distractors", "moving_distractors", "noise", "texture"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        self._require("colour_jitter", 0 <= self.colour_jitter <= 1, "in [0, 1]")
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
        "colour_jitter": 0.5,
    },
}


def options_of(preset: str = "easy", **changes) -> PhaseOrderOptions:
    """Return the options of a preset, with some of them changed."""
    if preset not in PRESETS:
        raise ValueError(f"preset={preset!r}: expected one of {tuple(PRESETS)}.")
    return PhaseOrderOptions(**{**PRESETS[preset], **changes})


# --------------------------------------------------------------------------------------- shapes


def _polygon(corners: int, start: float = -0.25, radii: tuple[float, ...] = (1.0,)) -> np.ndarray:
    """Return points (corners, 2) around the origin, from ``start`` turns, radii taken in turn."""
    angle = 2 * np.pi * (start + np.arange(corners) / corners)
    radius = np.resize(radii, corners)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _cross(arm: float = 0.36) -> np.ndarray:
    x = [-arm, arm, arm, 1, 1, arm, arm, -arm, -arm, -1, -1, -arm]
    y = [-1, -1, -arm, -arm, arm, arm, 1, 1, arm, arm, -arm, -arm]
    return np.array([x, y]).T


# Contours in a box of [-1, 1], y down; where contours overlap is a hole.
SHAPES: dict[str, list[np.ndarray]] = {
    "circle": [_polygon(48)],
    "square": [0.9 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])],
    "cross": [_cross()],
    "triangle": [np.array([[0.0, -0.95], [1.0, 0.85], [-1.0, 0.85]])],
    "ring": [_polygon(48), _polygon(48, radii=(0.55,))],
    "star": [_polygon(10, radii=(1.0, 0.42))],
    "diamond": [np.array([[0.0, -1.0], [0.7, 0.0], [0.0, 1.0], [-0.7, 0.0]])],
    "bar": [np.array([[-1.0, -0.32], [1.0, -0.32], [1.0, 0.32], [-1.0, 0.32]])],
}


def _draw(frame: np.ndarray, shape: str, centre, radius: float, colour) -> None:
    """Draw a shape into a frame (H, W, 3) in place, to a sixteenth of a pixel."""
    points = [np.rint(16 * (c * radius + centre)).astype(np.int32) for c in SHAPES[shape]]
    cv2.fillPoly(frame, points, tuple(int(c) for c in colour), cv2.LINE_AA, shift=4)


def _box(shape: str, centre: np.ndarray, radius: float) -> list[float]:
    outline = SHAPES[shape][0] * radius + centre
    return [*outline.min(0), *outline.max(0)]


def _colour(hue: float) -> tuple[int, ...]:
    """Return a bright RGB colour; ``hue`` in turns, 0 is red."""
    hsv = np.uint8([[[round(hue % 1 * 180) % 180, 200, 235]]])
    return tuple(int(c) for c in cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0])


# ------------------------------------------------------------------------------ phases, classes


def phase_kinds(options: PhaseOrderOptions) -> list[tuple[str | None, str | None]]:
    """Return (shape, motion) of each kind of phase; None is free to vary."""
    kinds = range(options.num_phases)
    if options.cue == "shape":
        return [(list(SHAPES)[k], None) for k in kinds]
    if options.cue == "motion":
        return [(None, MOTIONS[k]) for k in kinds]
    return [(list(SHAPES)[k % 2], MOTIONS[k // 2]) for k in kinds]


@lru_cache(maxsize=8)
def draw_orders(options: PhaseOrderOptions) -> tuple[tuple[int, ...], ...]:
    """Draw the classes: for each the numbers of its phases in time order.

    An order and its reverse come together: which phases are neighbours then tells nothing without
    the direction of time. Among the pairs left, in random order, the next one is that whose phases
    stood least often in their positions.
    """
    pairs = [p for p in permutations(range(options.num_phases)) if p[0] < p[-1]]
    left = np.random.default_rng([options.seed, len(SPLITS)]).permutation(np.array(pairs))
    position = np.arange(options.num_phases)
    used = np.zeros((options.num_phases, options.num_phases), int)  # (position, phase)
    orders: list[tuple[int, ...]] = []
    while len(orders) < options.num_classes:
        cost = (used[position, left] + used[position[::-1], left]).sum(axis=1)
        order = left[cost.argmin()]
        left = np.delete(left, cost.argmin(), axis=0)
        for row in (order, order[::-1]):
            used[position, row] += 1
            orders.append(tuple(row.tolist()))
    return tuple(orders[: options.num_classes])


def class_names(options: PhaseOrderOptions) -> list[str]:
    """Return readable names, such as 'circle > square > cross > triangle'."""
    names = [" ".join(filter(None, kind)) for kind in phase_kinds(options)]
    return [" > ".join(names[k] for k in order) for order in draw_orders(options)]


# --------------------------------------------------------------------------------------- a video


def _rng(options: PhaseOrderOptions, split: str, index: int, use: int) -> np.random.Generator:
    return np.random.default_rng([options.seed, SPLITS.index(split), index, use])


def _move(motion: str | None, time: np.ndarray, rng: np.random.Generator):
    """Return the path (T, 2), in frame sizes about its centre, and the scale (T,) of an actor.

    ``time`` (T,) runs from 0 to 1. A motion of None is straight in a random direction.
    """
    still, steady = np.zeros((len(time), 2)), np.ones(len(time))
    if motion in ("growing", "shrinking"):
        return still, GROWTH ** ((2 * time - 1) * (1 if motion == "growing" else -1))
    if motion in ("clockwise", "anticlockwise"):
        turn = 2 * np.pi * (rng.random() + time * (1 if motion == "clockwise" else -1))
        return TRAVEL / 2 * np.stack([np.cos(turn), np.sin(turn)], axis=1), steady
    angle = {"right": 0.0, "down": 0.25, "left": 0.5, "up": 0.75}.get(motion)
    angle = 2 * np.pi * (rng.random() if angle is None else angle)
    return TRAVEL * np.outer(time - 0.5, [np.cos(angle), np.sin(angle)]), steady


def _boundaries(options: PhaseOrderOptions, rng: np.random.Generator) -> np.ndarray:
    """Return the first frame of each phase, and the number of frames at the end."""
    edges = np.arange(options.num_phases + 1, dtype=float)
    jitter = options.boundary_jitter
    edges[1:-1] += rng.uniform(-jitter, jitter, options.num_phases - 1)
    return np.rint(edges * options.num_frames / options.num_phases).astype(int)


def plan_video(options: PhaseOrderOptions, split: str, index: int) -> dict:
    """Return the ground truth of a video, drawn from (seed, split, index) alone.

    Returns:
        dict: 'file', 'label' and 'phases' in time order, each with its 'kind' (its number among
        the kinds of phases), 'shape', 'motion', 'colour' (RGB), 'first' and 'last' frame (both
        included), and for each of these frames the actor's 'centres' (x, y), 'radii' and 'boxes'
        (x0, y0, x1, y1) in pixels, x to the right, y down, (0, 0) the middle of the first pixel.
    """
    rng = _rng(options, split, index, 0)
    label = index % options.num_classes
    kinds = phase_kinds(options)
    shapes = sorted({shape for shape, _ in kinds if shape}, key=list(SHAPES).index)
    shape_of_video, hue_of_video = list(SHAPES)[rng.integers(len(SHAPES))], rng.random()
    edges = _boundaries(options, rng)
    phases = []
    for position, kind in enumerate(draw_orders(options)[label]):
        shape, motion = kinds[kind]
        hue = shapes.index(shape) / len(shapes) if shape else hue_of_video
        if shape:
            hue += options.colour_jitter * rng.uniform(-0.5, 0.5)
        shape = shape or shape_of_video
        first = int(edges[position] + options.gap // 2)
        last = int(edges[position + 1] - 1 - (options.gap - options.gap // 2))
        look = {
            "kind": kind,
            "shape": shape,
            "motion": motion or "straight",
            "colour": _colour(hue),
        }
        span = {"first": first, "last": last}
        phases.append({**look, **span, **_plan_path(options, shape, motion, last - first + 1, rng)})
    return {"file": _file_name(options, split, index), "label": label, "phases": phases}


def _plan_path(
    options: PhaseOrderOptions,
    shape: str,
    motion: str | None,
    length: int,
    rng: np.random.Generator,
) -> dict:
    """Return the actor's centres, radii and boxes in each frame of a phase, all in the frame."""
    path, scale = _move(motion, np.linspace(0, 1, length), rng)
    path, radii = path * options.size, options.shape_size * options.size / 2 * scale
    reach = radii[:, None] + 1  # a pixel of margin to the border
    low, high = (reach - path).max(axis=0), (options.size - 1 - reach - path).min(axis=0)
    centres = rng.uniform(low, high) + path
    boxes = [_box(shape, c, r) for c, r in zip(centres, radii)]
    return {
        "centres": centres.round(2).tolist(),
        "radii": radii.round(2).tolist(),
        "boxes": np.round(boxes, 1).tolist(),
    }


def _file_name(options: PhaseOrderOptions, split: str, index: int) -> str:
    suffix = "" if options.storage == "frames" else f".{options.storage}"
    return f"{split}/{index:05d}{suffix}"


def _background(options: PhaseOrderOptions, rng: np.random.Generator) -> np.ndarray:
    grey = rng.uniform(25, 60)
    coarse = rng.normal(grey, options.texture, (8, 8, 3))
    return cv2.resize(coarse, (options.size, options.size), interpolation=cv2.INTER_CUBIC)


def _distractors(options: PhaseOrderOptions, rng: np.random.Generator) -> Iterator[tuple]:
    """Yield (shape, radius, colour, centres (num_frames, 2)) of each distractor, still ones first.

    They last all through the video, so they say nothing about the order.
    """
    radius = 0.3 * options.shape_size * options.size
    low, high = radius, options.size - 1 - radius
    time = np.arange(options.num_frames)[:, None]
    for i in range(options.static_distractors + options.moving_distractors):
        angle = rng.uniform(0, 2 * np.pi)
        speed = TRAVEL * options.size * options.num_phases / options.num_frames
        speed *= i >= options.static_distractors
        free = rng.uniform(low, high, 2) + speed * time * [np.cos(angle), np.sin(angle)]
        # reflect the free path at both walls: a triangle wave of the position
        centres = high - np.abs((free - low) % (2 * (high - low)) - (high - low))
        shape = list(SHAPES)[rng.integers(len(SHAPES))]
        yield shape, radius, _colour(rng.random()), centres


def render_video(options: PhaseOrderOptions, split: str, index: int) -> np.ndarray:
    """Return the frames (num_frames, size, size, 3) of a video, uint8 RGB."""
    rng = _rng(options, split, index, 1)
    background = _background(options, rng).clip(0, 255).astype(np.uint8)
    frames = np.repeat(background[None], options.num_frames, axis=0)
    for shape, radius, colour, centres in _distractors(options, rng):
        for frame, centre in zip(frames, centres):
            _draw(frame, shape, centre, radius, colour)
    for phase in plan_video(options, split, index)["phases"]:
        times = range(phase["first"], phase["last"] + 1)
        for t, centre, radius in zip(times, phase["centres"], phase["radii"]):
            _draw(frames[t], phase["shape"], np.array(centre), radius, phase["colour"])
    if options.noise:
        noisy = frames + rng.normal(0, options.noise, frames.shape)
        frames = np.rint(noisy).clip(0, 255).astype(np.uint8)
    return frames


# --------------------------------------------------------------------------------------- files


def _write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a hidden neighbour of ``path``, then rename it: whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    write(part)
    os.replace(part, path)


def _write_text(path: Path, text: str) -> None:
    _write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def _encode(frames: np.ndarray, path: Path, fps: int) -> None:
    codec = {".mp4": "mp4v", ".avi": "MJPG"}[path.suffix]
    size = (frames.shape[2], frames.shape[1])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    if not writer.isOpened():
        raise RuntimeError(
            f"OpenCV {cv2.__version__} cannot encode {codec} into {path}: is the disk writable? "
            "If this build has no such codec, choose storage='frames' or another one."
        )
    for frame in frames:
        writer.write(frame[..., ::-1].copy())
    writer.release()  # none of this reports a full disk: count what can be read
    written = cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)
    if written != len(frames):
        raise OSError(f"Wrote {written:.0f} of {len(frames)} frames to {path}: is the disk full?")


def _write_frames(frames: np.ndarray, folder: Path) -> None:
    folder.mkdir()
    for number, frame in enumerate(frames, start=1):
        path = folder / f"img_{number:05d}.jpg"  # MMAction2's default name
        if not cv2.imwrite(str(path), frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]):
            raise OSError(f"Cannot write {path}: is there room on the disk?")


def _make_video(root: Path, options: PhaseOrderOptions, split: str, index: int) -> None:
    frames = render_video(options, split, index)
    path = root / _file_name(options, split, index)
    if options.storage == "frames":
        _write_atomically(path, lambda part: _write_frames(frames, part))
    else:
        _write_atomically(path, lambda part: _encode(frames, part, options.fps))


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _count(options: PhaseOrderOptions, split: str) -> int:
    return options.num_train if split == "train" else options.num_test


def _meta(options: PhaseOrderOptions) -> dict:
    return {
        "generator": GENERATOR_VERSION,
        "options": asdict(options),
        "classes": class_names(options),
        "videos": {
            split: [plan_video(options, split, i) for i in range(_count(options, split))]
            for split in SPLITS
        },
    }


def read_meta(root: str | os.PathLike) -> dict:
    """Return ``meta.json``: 'options', 'classes' and, by split, 'videos' as `plan_video` says.

    Raises:
        FileNotFoundError: Where ``root`` holds no benchmark.
        ValueError: Where its ``meta.json`` is not one.
    """
    path = Path(root) / "meta.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: make the benchmark first (`generate`).")
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        return {key: meta[key] for key in ("generator", "options", "classes", "videos")}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not the description of a benchmark ({error!r}): delete the folder, or "
            "choose another one."
        ) from error


def _refuse_other_content(root: Path, options: PhaseOrderOptions) -> None:
    """Raise ValueError unless ``root`` is empty or holds a benchmark of the same options."""
    if root.exists() and not root.is_dir():
        raise ValueError(f"{root} is a file: expected a folder, or a path that is free.")
    if not (root / "meta.json").exists():
        others = [p.name for p in root.glob("*") if not p.name.startswith(".")]
        if others:
            raise ValueError(
                f"{root} holds {sorted(others)[0]!r} but no benchmark: choose an empty folder."
            )
        return
    meta = read_meta(root)
    found = {**meta["options"], "generator": meta["generator"]}
    asked = {**asdict(options), "generator": GENERATOR_VERSION}
    differences = [
        f"{name}={found.get(name)!r} there, {asked.get(name)!r} asked for"
        for name in sorted({*found, *asked})
        if found.get(name) != asked.get(name)
    ]
    if differences:
        raise ValueError(
            f"{root} holds a benchmark made with other options: {'; '.join(differences)}. "
            "Choose another folder, delete this one, or ask for the same options."
        )


def generate(
    root: str | os.PathLike, options: PhaseOrderOptions | None = None, num_workers: int = 0
) -> Path:
    """Make the benchmark in a folder, or finish it where an earlier call was interrupted.

    Writes ``{train,test}/00000.mp4``, the lists ``train.txt`` and ``test.txt`` (a line is
    ``train/00000.mp4 LABEL``, or ``train/00000 FRAMES LABEL`` for stored frames: what
    ``VideoDataset`` and ``RawframeDataset`` read), ``classes.txt`` with a name a line, and
    ``meta.json`` with the options and the ground truth. Every file is written whole or not at all.

    Args:
        root: The folder.
        options: What to make; the easy preset where not given.
        num_workers: Processes; 0 is one for each core.

    Returns:
        Path: ``root``.

    Raises:
        ValueError: Where ``root`` holds something else, or a benchmark with other options.
    """
    root, options = Path(root), options or PhaseOrderOptions()
    logger = MMLogger.get_current_instance()
    _refuse_other_content(root, options)
    if not (root / "meta.json").exists():
        _write_text(root / "meta.json", json.dumps(_meta(options), separators=(",", ":")))
    missing = [
        (root, options, split, index)
        for split in SPLITS
        for index in range(_count(options, split))
        if not (root / _file_name(options, split, index)).exists()
    ]
    if missing:
        workers = num_workers or _usable_cores()
        chunk = min(8, ceil(len(missing) / workers))
        track_progress_rich(_make_video, missing, None, workers, chunk, "Making videos")
    else:
        logger.info(f"{root}: all videos are there")
    _write_lists(root, options)
    for leftover in root.rglob(".part-*"):  # of a process that was killed while writing
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    logger.info(f"{root}: {options.num_train} train and {options.num_test} test videos")
    return root


def _write_lists(root: Path, options: PhaseOrderOptions) -> None:
    texts = {"classes.txt": class_names(options)}
    frames = f" {options.num_frames}" if options.storage == "frames" else ""
    for split in SPLITS:
        texts[f"{split}.txt"] = [
            f"{_file_name(options, split, i)}{frames} {i % options.num_classes}"
            for i in range(_count(options, split))
        ]
    for name, lines in texts.items():
        if not (root / name).exists():
            _write_text(root / name, "\n".join(lines) + "\n")


# --------------------------------------------------------------------------------------- picture


def read_video(root: str | os.PathLike, video: dict) -> np.ndarray:
    """Return the frames (T, H, W, 3), uint8 RGB, of one entry of ``meta.json``'s videos."""
    path = Path(root) / video["file"]
    if path.is_dir():
        frames = [cv2.imread(str(p)) for p in sorted(path.glob("img_*.jpg"))]
    else:
        capture, frames = cv2.VideoCapture(str(path)), []
        while (read := capture.read())[0]:
            frames.append(read[1])
        capture.release()
    if not frames:
        raise FileNotFoundError(f"{path} is missing or holds no frame: run `generate` again.")
    return np.stack(frames)[..., ::-1]


def preview(
    root: str | os.PathLike,
    path: str | os.PathLike,
    num_videos: int = 6,
    frames_per_phase: int = 3,
    split: str = "test",
) -> Path:
    """Draw a contact sheet of a benchmark and return its path.

    A row is a video, one of each of the first classes, with its class at the left; frames are in
    time order, evenly spread over each phase, and a gap parts the phases.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    meta = read_meta(root)
    videos = meta["videos"][split][: min(num_videos, len(meta["classes"]))]
    num_phases = meta["options"]["num_phases"]
    width = 1.4 + 0.72 * num_phases * (frames_per_phase + 0.25)
    height = 0.75 + 0.8 * len(videos)
    figure = Figure(figsize=(width, height), dpi=140)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(videos), num_phases, wspace=0.06, hspace=0.1)
    figure.subplots_adjust(1.3 / width, 0.1 / height, 1 - 0.1 / width, 1 - 0.65 / height)
    size = min(8.5, 42 / num_phases)  # a name has a line for each phase
    for row, video in enumerate(videos):
        frames = read_video(root, video)
        for column, phase in enumerate(video["phases"]):
            axes = figure.add_subplot(grid[row, column])
            _draw_phase(axes, frames, phase, frames_per_phase)
            if row == 0:
                axes.set_title(f"phase {column + 1}", fontsize=9, color="0.35")
            if column == 0:
                name = meta["classes"][video["label"]].replace(" > ", "\n> ")
                axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=size)
    figure.suptitle(
        "A class is the order of its phases; time runs to the right", y=1 - 0.1 / height
    )
    figure.savefig(path)
    return Path(path)


def _draw_phase(axes, frames: np.ndarray, phase: dict, count: int) -> None:
    """Show ``count`` frames of a phase side by side, a white line between them."""
    length = phase["last"] - phase["first"]
    times = phase["first"] + np.rint(length * (np.arange(count) + 0.5) / count).astype(int)
    padded = np.pad(frames[times], ((0, 0), (0, 0), (0, 2), (0, 0)), constant_values=255)
    axes.imshow(np.concatenate(list(padded), axis=1)[:, :-2], interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
