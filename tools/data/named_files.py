"""EgoGestAR and UTD-MHAD: the names of the files are the labels, and small copies are read faster.

EgoGestAR: `testvideo_{class}_{serial}.mp4`. Jain, Garg, Perla and Hebbalaguppe, GestARLite, 2019.
UTD-MHAD: `a{action}_s{subject}_t{take}_depth.mat`. Chen, Jafari and Kehtarnavaz, ICIP 2015.
"""

from __future__ import annotations

import os
import random
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path

import av
import cv2
import numpy as np
from preparation import PreparationError, Summary, write_together
from problem_lists import problem_lines, problem_summary
from rich.progress import track

from f4d_mmaction.datasets.video_reader import VideoReader
from f4d_mmaction.visualization import write_video

GESTURES = (
    *("carret", "circlecc", "del", "down", "left", "right", "square", "star", "tick", "up"),
)
# Serials 2 to 7 share their places; 8 to 10, 11 to 15 and 19 to 22 share a camera, or a day. So a
# fold is neighbors, and 1 is with 8 to 10, which it resembles in camera and frame rate.
FOLDS = ((1, 8, 9, 10), (2, 3, 4, 5, 6, 7), (11, 12, 13, 14), (15, 16, 17, 18), (19, 20, 21, 22))

ACTIONS = (
    *("swipe left", "swipe right", "wave", "clap", "throw", "arm cross", "basketball shoot"),
    *("draw x", "draw circle clockwise", "draw circle counter clockwise", "draw triangle"),
    *("bowling", "boxing", "baseball swing", "tennis swing", "arm curl", "tennis serve"),
    *("push", "knock", "catch", "pickup and throw", "jog", "walk", "sit to stand"),
    *("stand to sit", "lunge", "squat"),
)
NEVER_PUBLISHED = {(8, 1, 4), (23, 6, 4), (27, 8, 4)}  # action, subject, take
DEPTH_FPS = 30
SUBJECTS = {
    "train": (1, 3, 5, 7),
    "test": (2, 4, 6, 8),
    "train_inner": (1, 3, 5),
    "val_inner": (7,),
}
FAINTEST = 64  # of a person's farthest point, so that it stands out from the background of 0
ENCODER = {"crf": "8", "preset": "veryfast", "tune": "fastdecode"}


@dataclass(frozen=True)
class Clip:
    """One video of a list: its name and label, its person or serial, and the files it is made of.

    Clips of one `group` are never on both sides of a split.
    """

    name: str
    label: int
    group: int
    sources: tuple[Path, ...]


def prepare_egogestar(
    media: str | Path, out: str | Path, size: int = 80, strict: bool = False
) -> Summary:
    """Write small copies of EgoGestAR's labeled videos, and lists of five folds by serial.

    Args:
        media: Folder of the mp4 files.
        out: Folder of the lists; the copies are in `videos` below it. Those there are kept.
        size: Pixels of a copy's shorter side.
        strict: Refuse when a video is missing, empty or damaged, instead of leaving it out.

    Raises:
        FileNotFoundError: no such folder.
        PreparationError: a list would be empty, or something is wrong and `strict`.
    """
    expected = [
        f"testvideo_{name}_{serial}.mp4" for name, serial in product(GESTURES, range(1, 23))
    ]
    found, problems = _find(Path(media), expected, "testvideo_unclassified_")
    clips = []
    for path in found:
        _, name, serial = path.stem.split("_")
        clips.append(Clip(path.name, GESTURES.index(name), int(serial), (path,)))
    splits = {}
    for fold, serials in enumerate(FOLDS, start=1):
        validated = FOLDS[fold % len(FOLDS)]
        others = {serial for block in FOLDS for serial in block} - {*serials}
        splits[f"train_fold{fold}"] = others
        splits[f"test_fold{fold}"] = serials
        splits[f"train_fold{fold}_inner"] = others - {*validated}
        splits[f"val_fold{fold}_inner"] = validated
    made = _convert(clips, Path(out), size, _short_side, problems)
    return _finish("EgoGestAR", Path(out), made, GESTURES, splits, problems, strict)


def prepare_utd_mhad(
    media: str | Path,
    out: str | Path,
    size: int = 80,
    strict: bool = False,
    modality: str = "depth",
    sequences: int = 1,
    drawn: int = 5,
    seed: int = 0,
) -> Summary:
    """Write UTD-MHAD's cross-subject lists, and its depth as 8-bit videos cropped to the person.

    Args:
        media: Folder of the files of one modality.
        out: Folder of the lists; depth videos are in `videos` below it. Those there are kept.
        size: Pixels of a depth video's side.
        strict: Refuse when a file is missing, empty or damaged, instead of leaving it out.
        modality: 'depth', or 'color', whose videos are listed as they are.
        sequences: Actions of one person, one after the other, in a video. From 2 on the classes
            are all orders of as many different actions of those drawn.
        drawn: Number of actions drawn for sequences.
        seed: Draws actions, and which takes are joined.

    Raises:
        ValueError: an argument that cannot be used.
        FileNotFoundError: no such folder.
        PreparationError: a list would be empty, or something is wrong and `strict`.
    """
    suffixes = {"depth": "_depth.mat", "color": "_color.avi"}
    if modality not in suffixes:
        raise ValueError(f"modality must be depth or color, got {modality!r}")
    if sequences != 1 and (modality == "color" or not 1 < sequences <= drawn <= len(ACTIONS)):
        raise ValueError(
            f"sequences join 2 or more of up to {len(ACTIONS)} drawn actions in depth, "
            f"got {sequences} of {drawn} in {modality}"
        )
    takes = [
        take
        for take in product(range(1, len(ACTIONS) + 1), range(1, 9), range(1, 5))
        if take not in NEVER_PUBLISHED
    ]
    expected = {f"a{a}_s{s}_t{t}{suffixes[modality]}": (a, s, t) for a, s, t in takes}
    found, problems = _find(Path(media), expected)
    paths = {expected[path.name]: path for path in found}
    if sequences > 1:
        classes, clips = _sequences(paths, sequences, drawn, seed)
    else:
        classes = ACTIONS
        clips = [
            Clip(path.name if modality == "color" else f"a{a}_s{s}_t{t}.mp4", a - 1, s, (path,))
            for (a, s, t), path in paths.items()
        ]
    if modality == "depth":
        clips = _convert(clips, Path(out), size, _depth_frames, problems)
    return _finish("UTD-MHAD", Path(out), clips, classes, SUBJECTS, problems, strict)


def _sequences(
    paths: Mapping[tuple[int, int, int], Path], length: int, drawn: int, seed: int
) -> tuple[list[str], list[Clip]]:
    """All orders of `length` of the drawn actions, each take of a person once in each order."""
    actions = sorted(random.Random(seed).sample(range(1, len(ACTIONS) + 1), drawn))
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
    for name in sorted(sizes.keys() - {*expected}, key=_natural):
        problems["unlabeled" if name.startswith(unlabeled) else "foreign"].append(name)
    return [media / name for name in expected if sizes.get(name)], problems


def _natural(name: str) -> list[tuple[int, str]]:
    """A sorting key in which 2 comes before 10."""
    return [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", name)]


def _convert(
    clips: Sequence[Clip],
    out: Path,
    size: int,
    read: Callable[[Path, int], tuple[Iterable[np.ndarray], float]],
    problems: dict[str, list[str]],
) -> list[Clip]:
    """Write the videos that are not there yet, each whole or not at all; return the good clips."""
    if size < 16 or size % 2:
        raise ValueError(f"size must be even and at least 16 pixels, got {size}")
    made = []
    for clip in track(clips, f"Converting into {out / 'videos'}"):
        target = out / "videos" / clip.name
        if not (target.exists() and _side(target) == size):
            part = target.with_name(f".part-{clip.name}")
            try:
                parts = [read(source, size) for source in clip.sources]
                frames = (frame for images, _ in parts for frame in images)
                write_video(part, frames, parts[0][1], options=ENCODER)
                os.replace(part, target)
            except ValueError as error:
                problems["damaged"].append(f"{clip.name}: {error}")
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
        from scipy.io import loadmat
    except ImportError:
        raise ImportError('reading .mat files needs scipy: pip install ".[mat]"') from None
    try:
        depth = loadmat(path)["d_depth"]
    except Exception as error:  # scipy raises whatever damaged bytes lead to
        raise ValueError(f"no d_depth can be read ({type(error).__name__}: {error})") from error
    if depth.ndim != 3 or not np.issubdtype(depth.dtype, np.integer) or not depth.any():
        raise ValueError(f"expected frames of depth, got {depth.dtype} of shape {depth.shape}")
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
    lists = {
        f"{split}.txt": [f"{clip.name} {clip.label}" for clip in clips if clip.group in groups]
        for split, groups in splits.items()
    }
    told = "\n".join(problem_summary(problems))
    refused = [kind for kind in ("missing", "empty", "damaged") if strict and problems.get(kind)]
    if empty := [name for name, lines in lists.items() if not lines]:
        refused.append(f"nothing for {', '.join(empty)} (wrong media folder?)")
    if refused:
        message = f"no lists written for {title} because of: {', '.join(refused)}\n{told}"
        raise PreparationError(message, problems)
    counts = {name: len(lines) for name, lines in lists.items()}
    text = [f"{title}: {len(clips)} videos of {len(classes)} classes, lists in {out}"]
    text += [f"  {name}: {count}" for name, count in counts.items()]
    if told:
        text += [told, f"full list of these: {out / 'left_out.txt'}"]
    files = {**lists, "label_map.txt": classes, "left_out.txt": problem_lines(problems)}
    write_together(out, files)
    return Summary({name: out / name for name in files}, counts, problems, "\n".join(text))


NAMED = {"egogestar": prepare_egogestar, "utd_mhad": prepare_utd_mhad}
