"""The files of a benchmark: videos, annotation lists, class names and ground truth."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from math import ceil
from pathlib import Path

import cv2
import mmcv
import numpy as np
from mmengine.logging import MMLogger
from mmengine.utils import track_progress_rich

from f4d_mmaction.datasets.video_reader import VideoReader
from f4d_mmaction.engine.checkpoints import AtomicBackend
from f4d_mmaction.visualization import write_video

from .drawing import class_names, file_name, plan_video, render_video
from .options import SPLITS, PhaseOrderOptions

GENERATOR_VERSION = 3  # raise it when the same options no longer give the same files
FPS = 16
# Not H.264: with libx264 equal frames do not give equal files.
ENCODER = {"codec": "mpeg4", "options": {"qmin": "2", "qmax": "2"}}


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
        _write_new(root / "meta.json", json.dumps(_meta(options), separators=(",", ":")))
    missing = [
        (root, options, split, index)
        for split in SPLITS
        for index in range(options.num_videos(split))
        if not (root / file_name(options, split, index)).exists()
    ]
    if missing:
        workers = num_workers or len(os.sched_getaffinity(0))
        chunk = min(8, ceil(len(missing) / workers))
        track_progress_rich(_make_video, missing, None, workers, chunk, "Making videos")
    _write_lists(root, options)
    for leftover in root.rglob(".part-*"):  # of a process that was killed while writing
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    logger.info(f"{root}: {options.num_train} train and {options.num_test} test videos")
    return root


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


def read_video(root: str | os.PathLike, video: dict) -> np.ndarray:
    """Return the frames (T, H, W, 3), uint8 RGB, of one entry of ``meta.json``'s videos.

    Raises:
        BadVideoError: the video is missing or damaged.
    """
    path = Path(root) / video["file"]
    if path.is_dir():
        images = sorted(path.glob("img_*.jpg"))
        return np.stack([mmcv.imread(image, channel_order="rgb") for image in images])
    reader = VideoReader(str(path))
    return np.stack(reader.read(range(len(reader))))


def _refuse_other_content(root: Path, options: PhaseOrderOptions) -> None:
    """Raise ValueError unless ``root`` is empty or holds a benchmark of the same options."""
    if root.exists() and not root.is_dir():
        raise ValueError(f"{root} is a file: expected a folder, or a path that is free.")
    if not (root / "meta.json").exists():
        others = sorted(p.name for p in root.glob("*") if ".part" not in p.name)
        if others:
            raise ValueError(f"{root} holds {others[0]!r} but no benchmark: use an empty folder.")
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


def _meta(options: PhaseOrderOptions) -> dict:
    return {
        "generator": GENERATOR_VERSION,
        "options": asdict(options),
        "classes": class_names(options),
        "videos": {
            split: [plan_video(options, split, i) for i in range(options.num_videos(split))]
            for split in SPLITS
        },
    }


def _write_new(path: Path, text: str) -> None:
    if not path.exists():
        AtomicBackend().put(text.encode(), path)


def _write_lists(root: Path, options: PhaseOrderOptions) -> None:
    frames = f" {options.num_frames}" if options.storage == "frames" else ""
    for split in SPLITS:
        lines = [
            f"{file_name(options, split, i)}{frames} {i % options.num_classes}\n"
            for i in range(options.num_videos(split))
        ]
        _write_new(root / f"{split}.txt", "".join(lines))
    _write_new(root / "classes.txt", "".join(f"{name}\n" for name in class_names(options)))


def _make_video(root: Path, options: PhaseOrderOptions, split: str, index: int) -> None:
    """Write a video under a hidden name, then rename it, so that it appears whole or not at all."""
    frames = render_video(options, split, index)
    path = root / file_name(options, split, index)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    if options.storage == "frames":
        _write_frames(frames, part)
    else:
        write_video(part, frames, FPS, **ENCODER)
    os.replace(part, path)


def _write_frames(frames: np.ndarray, folder: Path) -> None:
    folder.mkdir()
    for number, frame in enumerate(frames, start=1):
        path = folder / f"img_{number:05d}.jpg"  # MMAction2's default name
        if not cv2.imwrite(str(path), frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]):
            raise OSError(f"Cannot write {path}: is there room on the disk?")
