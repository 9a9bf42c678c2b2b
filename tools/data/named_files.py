"""EgoGestAR and UTD-MHAD: the names of the files are the labels, and small copies are read faster.

EgoGestAR: `testvideo_{class}_{serial}.mp4`. Jain, Garg, Perla and Hebbalaguppe, GestARLite, 2019.
UTD-MHAD: `a{action}_s{subject}_t{take}_depth.mat`. Chen, Jafari and Kehtarnavaz, ICIP 2015.
"""

import os
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path

import av
import cv2
import numpy as np
from preparation import PreparationError, Summary, write_lists
from problem_lists import Problems
from rich.progress import track
from scipy.io import loadmat

from f4d_mmaction.datasets.video_reader import VideoReader
from f4d_mmaction.visualization import write_video

GESTURES = (
    *("carret", "circlecc", "del", "down", "left", "right", "square", "star", "tick", "up"),
)
# Every fifth serial is a fold. As pictures, frame rates and times of creation show, neighbors share
# places (2 to 7 above all), cameras, or a quarter of an hour, and 1 is like 8 to 10: blocks of them
# ask for gestures in places that were not seen.
FOLDS: dict[str, Sequence[Sequence[int]]] = {
    "fold": [range(first, 23, 5) for first in range(1, 6)],
    "place": [(1, *range(8, 11)), range(2, 8), range(11, 15), range(15, 19), range(19, 23)],
}

ACTIONS = (
    *("swipe left", "swipe right", "wave", "clap", "throw", "arm cross", "basketball shoot"),
    *("draw x", "draw circle clockwise", "draw circle counter clockwise", "draw triangle"),
    *("bowling", "boxing", "baseball swing", "tennis swing", "arm curl", "tennis serve"),
    *("push", "knock", "catch", "pickup and throw", "jog", "walk", "sit to stand"),
    *("stand to sit", "lunge", "squat"),
)
NEVER_PUBLISHED = {(8, 1, 4), (23, 6, 4), (27, 8, 4)}  # action, subject, take
DEPTH_FPS = 30
SUBJECTS = {"train": {1, 3, 5, 7}, "test": {2, 4, 6, 8}, "train_inner": {1, 3, 5}, "val_inner": {7}}
DRAWN = 5  # actions of which sequences are made
FAINTEST = 64  # of a person's farthest point, so that it stands out from the background of 0
ENCODER = {"crf": "8", "preset": "veryfast", "tune": "fastdecode"}


@dataclass(frozen=True)
class Clip:
    """One video: its person or serial is its `group`, which is on one side of a split only."""

    name: str
    label: int
    group: int
    sources: tuple[Path, ...]


def prepare_egogestar(
    media: str | Path, out: str | Path, size: int = 80, strict: bool = False
) -> Summary:
    """List five folds of EgoGestAR's mp4 files by serial, with copies of `size` (shorter side).

    Copies that are there are kept. With `strict`, a missing, empty or damaged file is refused.

    Raises:
        ValueError: `size` cannot be used; PreparationError (a ValueError): files are refused.
        FileNotFoundError: no such folder.
    """
    names = [f"testvideo_{name}_{serial}.mp4" for name, serial in product(GESTURES, range(1, 23))]
    found, problems = _find(Path(media), names, "testvideo_unclassified_")
    clips = []
    for path in found:
        _, name, serial = path.stem.split("_")
        clips.append(Clip(path.name, GESTURES.index(name), int(serial), (path,)))
    splits: dict[str, set[int]] = {}
    for kind, folds in FOLDS.items():
        for number, tested in enumerate(folds, start=1):
            validated = {*folds[number % 5]}  # the next fold, for choices without test clips
            train = {*range(1, 23)} - {*tested}
            splits |= {f"train_{kind}{number}": train, f"test_{kind}{number}": {*tested}}
            splits[f"train_{kind}{number}_inner"] = train - validated
            splits[f"val_{kind}{number}_inner"] = validated
    made = _convert(clips, Path(out), size, _short_side, problems)
    return _finish("EgoGestAR", Path(out), made, GESTURES, splits, problems, strict)


def prepare_utd_mhad(
    media: str | Path,
    out: str | Path,
    size: int = 80,
    strict: bool = False,
    sequences: int = 1,
    seed: int = 0,
) -> Summary:
    """List UTD-MHAD's subjects: depth as 8-bit square videos of `size`, color videos as they are.

    `media` has the files of one modality. With 2 or more `sequences`, a video joins as many actions
    of one person; classes are all orders of different ones among five that `seed` draws.

    Raises:
        ValueError, FileNotFoundError: as `prepare_egogestar`; also color videos to be joined.
    """
    media, out = Path(media), Path(out)
    color = any(media.glob("*_color.avi"))
    if not 1 <= sequences <= (1 if color else DRAWN):
        raise ValueError(f"sequences join 1 to {DRAWN} actions, in depth only: got {sequences}")
    takes = {*product(range(1, len(ACTIONS) + 1), range(1, 9), range(1, 5))} - NEVER_PUBLISHED
    suffix = "_color.avi" if color else "_depth.mat"
    expected = {f"a{a}_s{s}_t{t}{suffix}": (a, s, t) for a, s, t in sorted(takes)}
    found, problems = _find(media, expected)
    paths = {expected[path.name]: path for path in found}
    classes: Sequence[str] = ACTIONS
    if sequences > 1:
        classes, clips = _sequences(paths, sequences, seed, problems)
    else:
        clips = [
            Clip(path.name if color else f"a{a}_s{s}_t{t}.mp4", a - 1, s, (path,))
            for (a, s, t), path in paths.items()
        ]
    if not color:
        clips = _convert(clips, out, size, _depth_frames, problems)
    return _finish("UTD-MHAD", out, clips, classes, SUBJECTS, problems, strict)


def _sequences(
    paths: Mapping[tuple[int, int, int], Path], length: int, seed: int, problems: Problems
) -> tuple[list[str], list[Clip]]:
    """All orders of `length` of the drawn actions, each take of a person once in each order."""
    actions = sorted(random.Random(seed).sample(range(1, len(ACTIONS) + 1), DRAWN))
    present = {action for action, _, _ in paths}
    if absent := [f"{ACTIONS[a - 1]} (a{a})" for a in actions if a not in present]:
        told = f"no lists written: seed {seed} draws {', '.join(absent)}, of which there is no file"
        raise PreparationError(f"{told}: wrong media folder? Or give another seed", problems)
    orders = list(permutations(actions, length))
    clips = []
    for (label, order), subject in product(enumerate(orders), range(1, 9)):
        chance = random.Random(f"{seed} {order} {subject}")
        takes = [[t for t in range(1, 5) if (action, subject, t) in paths] for action in order]
        for some in takes:
            chance.shuffle(some)
        for joined in zip(*takes):
            parts = "_".join(f"a{a}t{t}" for a, t in zip(order, joined))
            sources = tuple(paths[a, subject, t] for a, t in zip(order, joined))
            clips.append(Clip(f"s{subject}_{parts}.mp4", label, subject, sources))
    return [" then ".join(ACTIONS[action - 1] for action in order) for order in orders], clips


def _find(
    media: Path, expected: Collection[str], unlabeled: str = "\0"
) -> tuple[list[Path], dict[str, list[str]]]:
    """The expected files that are there, in order, and what is missing, empty or foreign."""
    if not media.is_dir():
        raise FileNotFoundError(f"no folder {media}")
    sizes = {path.name: path.stat().st_size for path in media.iterdir() if path.is_file()}
    problems: dict[str, list[str]] = defaultdict(list)
    for name in expected:
        if not sizes.get(name):
            problems["missing" if name not in sizes else "empty"].append(name)
    for name in sorted(sizes.keys() - {*expected}):
        problems["unlabeled" if name.startswith(unlabeled) else "foreign"].append(name)
    return [media / name for name in expected if sizes.get(name)], problems


def _convert(
    clips: Sequence[Clip],
    out: Path,
    size: int,
    read: Callable[[Path, int], tuple[Iterable[np.ndarray], float]],
    problems: dict[str, list[str]],
) -> list[Clip]:
    """Write the videos that are not there yet, each whole or not at all; return the good clips."""
    if len({clip.name for clip in clips}) < len(clips):
        raise ValueError("two clips would be one file of one name")
    if size < 16 or size % 2:
        raise ValueError(f"size must be even and at least 16 pixels, got {size}")
    folder, made = out / "videos", []
    if clips and clips[0].sources[0].parent.resolve() == folder.resolve():
        raise ValueError(f"{folder} holds the originals: give another folder for the copies")
    for clip in track(clips, f"Converting into {folder}"):
        target, part = folder / clip.name, folder / f".part-{clip.name}"
        if not (target.exists() and _side(target) == size):
            try:
                parts = [read(source, size) for source in clip.sources]
                frames = (frame for images, _ in parts for frame in images)
                write_video(part, frames, parts[0][1], options=ENCODER)
                os.replace(part, target)
            except ValueError as error:  # every reader's word for a damaged file
                problems["damaged"].append(str(error))
                continue
            finally:
                part.unlink(missing_ok=True)
        made.append(clip)
    return made


def _side(path: Path) -> int:
    with av.open(str(path)) as video:
        return min(video.streams.video[0].width, video.streams.video[0].height)


def _short_side(path: Path, size: int) -> tuple[Iterator[np.ndarray], float]:
    """All frames of a video as players show them, made small."""
    reader = VideoReader(str(path))
    frames = reader.read(range(len(reader)))
    height, width = frames[0].shape[:2]
    scale = size / min(height, width)
    shape = (round(width * scale), round(height * scale))
    small = (cv2.resize(frame, shape, interpolation=cv2.INTER_AREA) for frame in frames)
    return small, reader.average_fps or DEPTH_FPS


def _depth_frames(path: Path, size: int) -> tuple[Iterator[np.ndarray], float]:
    """A person's depth in gray, near is bright, in one square that holds the whole movement."""
    depth = _read_depth(path)
    rows, columns = (np.flatnonzero(depth.any(axis=axes))[[0, -1]] for axes in ((1, 2), (0, 2)))
    crop = depth[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1].transpose(2, 0, 1)
    side = round(1.1 * max(crop.shape[1:]))
    margins = [(-((length - side) // 2), (side - length) // 2) for length in crop.shape[1:]]
    square = np.pad(crop, ((0, 0), *margins))  # around the crop there is background only
    person = square > 0
    far, near = np.percentile(square[person], (99.5, 0.5))  # a few pixels lie far off
    gray = (np.interp(square, (near, far), (255, FAINTEST)) * person).astype(np.uint8)
    small = (cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA) for frame in gray)
    return (np.repeat(frame[..., None], 3, axis=2) for frame in small), DEPTH_FPS


def _read_depth(path: Path) -> np.ndarray:
    """Millimeters as (height, width, frames), 0 where there is no person."""
    try:
        depth = loadmat(path)["d_depth"]
    except Exception as error:  # scipy raises whatever damaged bytes lead to
        raise ValueError(f"{path}: no d_depth in it ({type(error).__name__}: {error})") from error
    if depth.ndim != 3 or depth.dtype.kind != "u" or not depth.any():
        found = f"{depth.dtype} of shape {depth.shape}"
        raise ValueError(f"{path}: expected unsigned (height, width, frames) of depth, got {found}")
    return depth


def _finish(
    title: str,
    out: Path,
    clips: Sequence[Clip],
    classes: Sequence[str],
    splits: Mapping[str, Collection[int]],
    problems: Mapping[str, Sequence[str]],
    strict: bool,
) -> Summary:
    """Write the lists of all splits and what was left out."""
    lines = {
        split: [f"{clip.name} {clip.label}" for clip in clips if clip.group in groups]
        for split, groups in splits.items()
    }
    refused = [kind for kind in ("missing", "empty", "damaged") if strict and problems.get(kind)]
    if empty := [f"{split}.txt" for split, listed in lines.items() if not listed]:
        refused.append(f"nothing for {', '.join(empty)} (wrong media folder?)")
    if refused:
        message = f"no lists written for {title} because of: {', '.join(refused)}"
        raise PreparationError(message, problems)
    text = [f"{title}: {len(clips)} videos of {len(classes)} classes, lists in {out}"]
    text += [f"  {split}.txt: {len(listed)}" for split, listed in lines.items()]
    return write_lists(out, lines, classes, problems, text)


NAMED = {"egogestar": prepare_egogestar, "utd_mhad": prepare_utd_mhad}
