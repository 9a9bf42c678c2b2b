"""A benchmark in mixed storage, and a copy of it in which a share of the videos is bad."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path

import av
import cv2
import numpy as np
from phase_order import PhaseOrderOptions, render_video
from phase_order.options import SPLITS

from f4d_mmaction.datasets.video_errors import BadVideoKind

CODECS = {".mp4": "mpeg4", ".avi": "mpeg4", ".webm": "libvpx-vp9"}
STORAGES = (*CODECS, "")  # no suffix: a folder of jpg frames
FRAME_NAME = "img_{:05}.jpg"
# Decoding so many frames takes far longer than any sound video of the benchmark.
ENDLESS_FRAMES, ENDLESS_SIZE = 100_000, (960, 720)


def write_mixed(root: Path, options: PhaseOrderOptions) -> None:
    """Write the benchmark's videos in turn as mp4, avi, webm and folders of jpg frames.

    Lists ``{train,test}_videos.txt`` and ``{train,test}_folders.txt`` are what ``VideoDataset``
    and ``RawframeDataset`` read. Every class is stored in every way.

    Raises:
        ValueError: there are too few videos for that.
    """
    for split, count in zip(SPLITS, (options.num_train, options.num_test)):
        if count < len(STORAGES) * options.num_classes:
            raise ValueError(
                f"num_{split}={count}: {options.num_classes} classes stored in {len(STORAGES)} "
                f"ways need at least {len(STORAGES) * options.num_classes} videos"
            )
        (root / split).mkdir(parents=True)
        lines: dict[str, list[str]] = {"videos": [], "folders": []}
        for index in range(count):
            storage = STORAGES[index // options.num_classes % len(STORAGES)]
            name, label = f"{split}/{index:05d}{storage}", index % options.num_classes
            frames = render_video(options, split, index)
            if storage:
                encode(frames, root / name)
                lines["videos"].append(f"{name} {label}")
            else:
                write_folder(frames, root / name)
                lines["folders"].append(f"{name} {len(frames)} {label}")
        for kind, content in lines.items():
            write_lines(root / f"{split}_{kind}.txt", content)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write an annotation list."""
    path.write_text("".join(f"{line}\n" for line in lines))


def encode(frames: Iterable[np.ndarray], path: Path) -> None:
    """Encode RGB frames (H, W, 3), uint8, in the container that the suffix says."""
    with av.open(str(path), "w") as container:
        stream = None
        for frame in frames:
            stream = stream or add_stream(container, path.suffix, frame.shape[1::-1])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def add_stream(
    container: av.container.OutputContainer, suffix: str, size: tuple[int, int]
) -> av.VideoStream:
    """Add a video stream of ``size`` (width, height) at 16 frames per second."""
    # Error-resilient frames are decoded the same wherever they stand, which `put_endless` needs.
    vp9 = {"deadline": "realtime", "cpu-used": "8", "error-resilient": "1"}
    stream = container.add_stream(CODECS[suffix], rate=16, options=vp9 if suffix == ".webm" else {})
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    stream.bit_rate = 1_000_000
    stream.codec_context.thread_count = 1
    return stream


def write_folder(frames: Iterable[np.ndarray], folder: Path) -> None:
    """Write RGB frames (H, W, 3), uint8, as jpg files counted from 1."""
    folder.mkdir()
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(folder / FRAME_NAME.format(number)), frame[..., ::-1])


def spoil(clean: Path, root: Path, share: float, seed: int = 0) -> dict[str, dict[str, str]]:
    """Copy a dataset of :func:`write_mixed` and replace a share of its videos by bad ones.

    Each storage loses the same share, to the faults in turn. Lists ``{split}_sound_videos.txt``
    and ``{split}_sound_folders.txt`` name what is left.

    Args:
        clean: The dataset.
        root: Of the copy.
        share: Of bad videos.
        seed: Of the choice.

    Returns:
        For each split, by path, the kind that has to be reported.
    """
    shutil.copytree(clean, root)
    rng = np.random.default_rng(seed)
    injected: dict[str, dict[str, str]] = {}
    for split in SPLITS:
        injected[split] = {}
        of_videos, of_folders = (cycle(f.values()) for f in (VIDEO_FAULTS, FOLDER_FAULTS))
        for storage in STORAGES:
            paths = [path for path in sorted((root / split).iterdir()) if path.suffix == storage]
            chosen = rng.permutation(len(paths))[: round(share * len(paths))]
            for place, (damage, kind) in zip(chosen, of_videos if storage else of_folders):
                damage(paths[place])
                injected[split][str(paths[place])] = kind.value
        for kind in ("videos", "folders"):
            lines = (root / f"{split}_{kind}.txt").read_text().splitlines()
            sound = [line for line in lines if str(root / line.split()[0]) not in injected[split]]
            write_lines(root / f"{split}_sound_{kind}.txt", sound)
    return injected


def remove(path: Path) -> None:
    """Delete a file, or a folder with all that is in it."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def empty(path: Path) -> None:
    """Leave nothing of the contents of a file or folder."""
    remove(path)
    path.touch() if path.suffix else path.mkdir()


def truncate(path: Path) -> None:
    """Leave the first half of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def randomize(path: Path) -> None:
    """Put random bytes in the place of a file."""
    path.write_bytes(np.random.default_rng(0).bytes(4096))


def drop_frames(path: Path) -> None:
    """Leave a video stream of which no packet was written."""
    with av.open(str(path), "w") as container:
        add_stream(container, path.suffix, (64, 64))
        container.start_encoding()


def put_picture(path: Path) -> None:
    """Put a PNG under the name of a video."""
    path.write_bytes(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes())


def put_web_page(path: Path) -> None:
    """Put what a failed download leaves under the name of a video."""
    path.write_text("<!doctype html><title>429</title><p>Too many requests</p>\n" * 99)


def put_folder(path: Path) -> None:
    """Put a folder in the place of a file, which no user, root included, can read."""
    remove(path)
    path.mkdir()


def put_pipe(path: Path) -> None:
    """Put a named pipe in the place of a file: whoever opens it waits for ever."""
    remove(path)
    os.mkfifo(path)


def put_endless(path: Path) -> None:
    """Put a small video in the place of another that takes its reader many seconds.

    One keyframe and one packet that says "as before", over and over.
    """
    remove(path)
    width, height = ENDLESS_SIZE
    picture = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
    with av.open(str(path), "w") as container:
        stream = add_stream(container, path.suffix, ENDLESS_SIZE)
        packets = []
        for time in range(2):
            picture.pts = time
            packets += stream.encode(picture)
        key, same = (packets + stream.encode())[:2]
        for time in range(ENDLESS_FRAMES):
            packet = av.Packet(bytes(same if time else key))
            packet.stream, packet.time_base = stream, same.time_base
            packet.pts = packet.dts = time * same.pts
            packet.is_keyframe = not time
            container.mux(packet)


def put_file(path: Path) -> None:
    """Put a file in the place of a folder."""
    remove(path)
    path.write_bytes(b"not a folder")


def in_second_half(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    """Damage the second half of a folder's pictures, as a disk does that is full."""

    def damage_folder(path: Path) -> None:
        pictures = sorted(path.iterdir())
        for picture in pictures[len(pictures) // 2 :]:
            damage(picture)

    return damage_folder


VIDEO_FAULTS = {
    "missing": (remove, BadVideoKind.MISSING),
    "empty": (empty, BadVideoKind.EMPTY),
    "truncated": (truncate, BadVideoKind.TRUNCATED),
    "random bytes": (randomize, BadVideoKind.GARBAGE),
    "no frames": (drop_frames, BadVideoKind.NO_FRAMES),
    "a picture": (put_picture, BadVideoKind.WRONG_EXTENSION),
    "a folder in its place": (put_folder, BadVideoKind.UNREADABLE),
    "a pipe in its place": (put_pipe, BadVideoKind.UNREADABLE),
    "endless": (put_endless, BadVideoKind.TIMEOUT),
    "a web page": (put_web_page, BadVideoKind.WRONG_EXTENSION),
}
FOLDER_FAULTS = {
    "missing": (remove, BadVideoKind.MISSING),
    "empty": (empty, BadVideoKind.EMPTY),
    "missing pictures": (in_second_half(remove), BadVideoKind.MISSING_FRAMES),
    "truncated pictures": (in_second_half(truncate), BadVideoKind.TRUNCATED),
    "pictures of random bytes": (in_second_half(randomize), BadVideoKind.GARBAGE),
    "a file in its place": (put_file, BadVideoKind.UNREADABLE),
}
