"""The files of a benchmark: videos, annotation lists, class names and ground truth."""

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
from f4d_mmaction.visualization import write_video

from .drawing import class_names, plan_video, render_video
from .options import SPLITS, PhaseOrderOptions

GENERATOR_VERSION = 3  # raise it when the same options no longer give the same files
FPS = 16
# Not H.264: with libx264 equal frames do not give equal files.
CODEC, QUALITY = "mpeg4", {"qmin": "2", "qmax": "2"}


def generate(
    root: str | os.PathLike, options: PhaseOrderOptions | None = None, num_workers: int = 0
) -> Path:
    """Make the benchmark in a folder, completely or not at all; an existing one is kept.

    Writes ``{train,test}/00000.mp4``, the lists ``train.txt`` and ``test.txt`` (a line is
    ``train/00000.mp4 LABEL``, or ``train/00000 FRAMES LABEL`` for stored frames: what
    ``VideoDataset`` and ``RawframeDataset`` read), ``classes.txt`` with a name a line, and
    ``meta.json`` with the options and the ground truth.

    Without options it is the easy preset; 0 workers are one for each core. Returns ``root``.

    Raises:
        ValueError: Where ``root`` holds something else, or a benchmark with other options.
    """
    root, options = Path(root), options or PhaseOrderOptions()
    if not _is_made(root, options):
        whole = root.resolve()
        part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
        for old in whole.parent.glob(f".{whole.name}.*.part"):
            if old == part or not Path("/proc", old.suffixes[-2][1:]).exists():
                shutil.rmtree(old, ignore_errors=True)  # of a process that was killed
        try:
            _write_all(part, options, num_workers or len(os.sched_getaffinity(0)))
            part.rename(whole)
        except OSError:
            if not _is_made(root, options):  # by another process meanwhile
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
    count = f"{options.num_train} train and {options.num_test} test videos"
    MMLogger.get_current_instance().info(f"{root}: {count}")
    return root


def write_first_and_last(root: str | os.PathLike) -> None:
    """Write lists of two labels a video, its first phase and its last, into ``first_last``.

    Its files have the names and form of the benchmark's own; ``VideoDataset`` and
    ``RawframeDataset`` read them with ``multi_class``.
    """
    root, folder = Path(root), Path(root, "first_last")
    folder.mkdir(exist_ok=True)
    orders = [name.split(" > ") for name in read_meta(root)["classes"]]
    phases = sorted({phase for order in orders for phase in order})
    names = [f"{place} {phase}\n" for place in ("first", "last") for phase in phases]
    (folder / "classes.txt").write_text("".join(names))
    for split in SPLITS:
        lines = []
        for line in (root / f"{split}.txt").read_text().splitlines():
            video, label = line.rsplit(maxsplit=1)
            first, *_, last = (phases.index(phase) for phase in orders[int(label)])
            lines.append(f"{video} {first} {len(phases) + last}\n")
        (folder / f"{split}.txt").write_text("".join(lines))


def read_meta(root: str | os.PathLike) -> dict:
    """Return ``meta.json``: 'options', 'classes' and, by split, 'videos' as `plan_video` says.

    Raises:
        FileNotFoundError: Where ``root`` holds no benchmark.
    """
    path = Path(root) / "meta.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: make the benchmark first (`generate`).")
    return json.loads(path.read_text(encoding="utf-8"))


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


def _is_made(root: Path, options: PhaseOrderOptions) -> bool:
    """Whether ``root`` holds a benchmark of these options; ValueError where it holds another."""
    if root.exists() and not root.is_dir():
        raise ValueError(f"{root} is a file: expected a folder, or a path that is free.")
    if not (root / "meta.json").exists():
        for other in root.glob("*"):
            raise ValueError(f"{root} holds {other.name!r} but no benchmark: use an empty folder.")
        return False
    meta = read_meta(root)
    found = {**meta.get("options", {}), "generator": meta.get("generator")}
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
    return True


def _write_all(root: Path, options: PhaseOrderOptions, workers: int) -> None:
    meta: dict = {
        "generator": GENERATOR_VERSION,
        "options": asdict(options),
        "classes": class_names(options),
        "videos": {},
    }
    tasks = []
    frames = f" {options.num_frames}" if options.storage == "frames" else ""
    for split in SPLITS:
        (root / split).mkdir(parents=True)
        videos = [plan_video(options, split, i) for i in range(options.num_videos(split))]
        meta["videos"][split] = videos
        tasks += [(root / video["file"], options, split, i) for i, video in enumerate(videos)]
        lines = [f"{video['file']}{frames} {video['label']}\n" for video in videos]
        (root / f"{split}.txt").write_text("".join(lines))
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in meta["classes"]))
    (root / "meta.json").write_text(json.dumps(meta, separators=(",", ":")))
    chunk = min(8, ceil(len(tasks) / workers))
    track_progress_rich(_make_video, tasks, None, workers, chunk, "Making videos")


def _make_video(path: Path, options: PhaseOrderOptions, split: str, index: int) -> None:
    frames = render_video(options, split, index)
    if options.storage == "mp4":
        write_video(path, frames, FPS, CODEC, options=QUALITY)
        return
    path.mkdir()
    for number, frame in enumerate(frames, start=1):
        image = path / f"img_{number:05d}.jpg"  # MMAction2's default name
        if not cv2.imwrite(str(image), frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]):
            raise OSError(f"Cannot write {image}: is there room on the disk?")
