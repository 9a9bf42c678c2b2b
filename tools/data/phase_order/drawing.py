"""Classes, ground truth and frames of a benchmark, drawn from its options alone."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import permutations

import cv2
import numpy as np
from numpy.random import Generator, default_rng

from .options import NUM_PHASES, SPLITS, PhaseOrderOptions

MOTIONS = {"right": 0.0, "left": 0.5, "down": 0.25, "up": 0.75}  # angle in turns; y points down
TRAVEL = 0.35  # how far an actor moves in one phase, in frame sizes
DIAMETER = 0.3  # of an actor, in frame sizes


def _polygon(corners: int, *radii: float) -> np.ndarray:
    """Return points (corners, 2) around the origin, the first on top, radii taken in turn."""
    angle = 2 * np.pi * (np.arange(corners) / corners - 0.25)
    radius = np.resize(radii, corners)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _cross(arm: float) -> np.ndarray:
    x = [-arm, arm, arm, 1, 1, arm, arm, -arm, -arm, -1, -1, -arm]
    y = [-1, -1, -arm, -arm, arm, arm, 1, 1, arm, arm, -arm, -arm]
    return np.array([x, y]).T


# Contours in a box of [-1, 1], y down; where contours overlap is a hole.
SHAPES: dict[str, list[np.ndarray]] = {
    "circle": [_polygon(48, 1.0)],
    "square": [0.9 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])],
    "cross": [_cross(0.36)],
    "triangle": [np.array([[0.0, -0.95], [1.0, 0.85], [-1.0, 0.85]])],
    "ring": [_polygon(48, 1.0), _polygon(48, 0.55)],
    "star": [_polygon(10, 1.0, 0.42)],
    "diamond": [np.array([[0.0, -1.0], [0.7, 0.0], [0.0, 1.0], [-0.7, 0.0]])],
    "bar": [np.array([[-1.0, -0.32], [1.0, -0.32], [1.0, 0.32], [-1.0, 0.32]])],
}


def _draw(
    frame: np.ndarray, shape: str, center: np.ndarray, radius: float, color: Sequence[int]
) -> None:
    """Draw a shape into a frame (H, W, 3) in place, to a sixteenth of a pixel."""
    points = [np.rint(16 * (c * radius + center)).astype(np.int32) for c in SHAPES[shape]]
    cv2.fillPoly(frame, points, tuple(color), cv2.LINE_AA, shift=4)


def _color(hue: float) -> tuple[int, ...]:
    """Return a bright RGB color; ``hue`` in turns, 0 is red."""
    hsv = np.array([[[round(hue % 1 * 180) % 180, 200, 235]]], np.uint8)
    return tuple(int(c) for c in cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0])


def phase_kinds(options: PhaseOrderOptions) -> list[tuple[str | None, str | None]]:
    """Return (shape, motion) of each kind of phase; None is free to vary."""
    shapes, motions = list(SHAPES), list(MOTIONS)
    kinds = range(NUM_PHASES)
    if options.cue == "both":
        return [(shapes[k % 2], motions[k // 2]) for k in kinds]
    shape = options.cue == "shape"
    return [(shapes[k], None) if shape else (None, motions[k]) for k in kinds]


@lru_cache(maxsize=8)
def draw_orders(options: PhaseOrderOptions) -> tuple[tuple[int, ...], ...]:
    """Draw the classes: for each the numbers of its phases in time order.

    An order and its reverse come together: which phases are neighbors then tells nothing without
    the direction of time. Among the pairs left, in random order, the next one is that whose phases
    stood least often in their positions.
    """
    pairs = [p for p in permutations(range(NUM_PHASES)) if p[0] < p[-1]]
    left = default_rng([options.seed, len(SPLITS)]).permutation(np.array(pairs))
    position = np.arange(NUM_PHASES)
    used = np.zeros((NUM_PHASES, NUM_PHASES), int)  # (position, phase)
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


def _rng(options: PhaseOrderOptions, split: str, index: int, use: int) -> Generator:
    return default_rng([options.seed, SPLITS.index(split), index, use])


def _boundaries(options: PhaseOrderOptions, rng: Generator) -> np.ndarray:
    """Return the first frame of each phase, and the number of frames at the end."""
    edges = np.arange(NUM_PHASES + 1, dtype=float)
    jitter = options.boundary_jitter
    edges[1:-1] += rng.uniform(-jitter, jitter, NUM_PHASES - 1)
    return np.rint(edges * options.num_frames / NUM_PHASES).astype(int)


def plan_video(options: PhaseOrderOptions, split: str, index: int) -> dict:
    """Return the ground truth of a video, drawn from (seed, split, index) alone.

    Returns:
        dict: 'file', 'label' and 'phases' in time order, each with its 'kind' (its number among
        the kinds of phases), 'shape', 'motion', 'color' (RGB), 'first' and 'last' frame (both
        included), the actor's 'radius', and for each of these frames its 'centers' (x, y) and
        'boxes' (x0, y0, x1, y1), in pixels, x to the right, y down, (0, 0) the middle of the first
        pixel.
    """
    rng = _rng(options, split, index, 0)
    label = index % options.num_classes
    kinds = phase_kinds(options)
    shapes = list(dict.fromkeys(shape for shape, _ in kinds))
    shape_of_video, hue_of_video = list(SHAPES)[rng.integers(len(SHAPES))], rng.random()
    edges = _boundaries(options, rng).tolist()
    phases = []
    for kind, first, end in zip(draw_orders(options)[label], edges, edges[1:]):
        shape, motion = kinds[kind]
        hue = shapes.index(shape) / len(shapes) if shape else hue_of_video
        if shape:
            hue += options.color_jitter * rng.uniform(-0.5, 0.5)
        phase = {
            "kind": kind,
            "shape": shape or shape_of_video,
            "motion": motion or "straight",
            "color": _color(hue),
            "first": first,
            "last": end - 1,
        }
        phases.append(phase | _path(options, phase["shape"], motion, end - first, rng))
    suffix = "" if options.storage == "frames" else ".mp4"
    return {"file": f"{split}/{index:05d}{suffix}", "label": label, "phases": phases}


def _path(
    options: PhaseOrderOptions, shape: str, motion: str | None, length: int, rng: Generator
) -> dict:
    """Return the actor's radius, and its center and box in each frame, all in the frame."""
    angle = 2 * np.pi * (MOTIONS[motion] if motion else rng.random())
    steps = np.outer(np.linspace(0, 1, length) - 0.5, [np.cos(angle), np.sin(angle)])
    path, radius = TRAVEL * steps * options.size, DIAMETER * options.size / 2
    reach = radius + 1  # a pixel of margin to the border
    low, high = (reach - path).max(axis=0), (options.size - 1 - reach - path).min(axis=0)
    centers = rng.uniform(low, high) + path
    outline = SHAPES[shape][0]
    boxes = np.concatenate([outline.min(0), outline.max(0)]) * radius + np.tile(centers, 2)
    return {
        "radius": round(radius, 2),
        "centers": centers.round(2).tolist(),
        "boxes": boxes.round(1).tolist(),
    }


def _background(options: PhaseOrderOptions, rng: Generator) -> np.ndarray:
    gray = rng.uniform(25, 60)
    coarse = rng.normal(gray, options.texture, (8, 8, 3))
    return cv2.resize(coarse, (options.size, options.size), interpolation=cv2.INTER_CUBIC)


def _distractors(options: PhaseOrderOptions, rng: Generator) -> Iterator[tuple]:
    """Yield (shape, radius, color, centers (num_frames, 2)) of each distractor, still ones first.

    They last all through the video, so they say nothing about the order.
    """
    radius = 0.3 * DIAMETER * options.size
    low, high = radius, options.size - 1 - radius
    time = np.arange(options.num_frames)[:, None]
    for i in range(options.static_distractors + options.moving_distractors):
        angle = rng.uniform(0, 2 * np.pi)
        speed = TRAVEL * options.size * NUM_PHASES / options.num_frames
        speed *= i >= options.static_distractors
        free = rng.uniform(low, high, 2) + speed * time * [np.cos(angle), np.sin(angle)]
        # reflect the free path at both walls: a triangle wave of the position
        centers = high - np.abs((free - low) % (2 * (high - low)) - (high - low))
        shape = list(SHAPES)[rng.integers(len(SHAPES))]
        yield shape, radius, _color(rng.random()), centers


def render_video(options: PhaseOrderOptions, split: str, index: int) -> np.ndarray:
    """Return the frames (num_frames, size, size, 3) of a video, uint8 RGB."""
    rng = _rng(options, split, index, 1)
    background = _background(options, rng).clip(0, 255).astype(np.uint8)
    frames = np.repeat(background[None], options.num_frames, axis=0)
    for shape, radius, color, centers in _distractors(options, rng):
        for frame, center in zip(frames, centers):
            _draw(frame, shape, center, radius, color)
    for phase in plan_video(options, split, index)["phases"]:
        for frame, center in zip(frames[phase["first"] :], phase["centers"]):
            _draw(frame, phase["shape"], np.array(center), phase["radius"], phase["color"])
    if options.noise:
        noisy = frames + rng.normal(0, options.noise, frames.shape)
        frames = np.rint(noisy).clip(0, 255).astype(np.uint8)
    return frames
