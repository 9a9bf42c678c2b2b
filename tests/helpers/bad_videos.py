"""The shipped benchmark stored in four ways, with a share of its videos spoiled."""

import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from itertools import cycle
from pathlib import Path

import av
import cv2
import numpy as np
from phase_order import PhaseOrderOptions, render_video
from phase_order.options import SPLITS

from f4d_mmaction.datasets.video_errors import BadVideoKind
from f4d_mmaction.visualization import write_video

CODECS = {".mp4": "mpeg4", ".avi": "mpeg4", ".webm": "libvpx-vp9"}
STORAGES = (*CODECS, "")  # no suffix: a folder of jpg frames
FRAME_NAME = "img_{:05}.jpg"


def write_dataset(
    root: Path, options: PhaseOrderOptions, bad_share: float = 0.0
) -> dict[str, dict[str, str]]:
    """Write the benchmark's videos in turn as mp4, avi, webm and folders, and spoil some of each.

    ``{split}_videos.txt`` and ``{split}_folders.txt`` are lists for ``VideoDataset`` and
    ``RawframeDataset``; ``{split}_sound_videos.txt`` and ``..._folders.txt`` leave out what is bad.

    Returns:
        For each split, by path, the kind of each bad video. The faults take turns.
    """
    rng = np.random.default_rng(0)
    injected: dict[str, dict[str, str]] = {}
    for split, count in zip(SPLITS, (options.num_train, options.num_test)):
        (root / split).mkdir(parents=True)
        lines: dict[str, dict[Path, str]] = {storage: {} for storage in STORAGES}
        for index in range(count):
            storage = STORAGES[index // options.num_classes % len(STORAGES)]
            path = root / split / f"{index:05d}{storage}"
            frames = render_video(options, split, index)
            write_frames(path, frames)
            length = "" if storage else f" {len(frames)}"
            name = path.relative_to(root)
            lines[storage][path] = f"{name}{length} {index % options.num_classes}\n"
        bad = injected[split] = {}
        faults = {True: cycle(VIDEO_FAULTS), False: cycle(FOLDER_FAULTS)}
        for storage, stored in lines.items():
            chosen = rng.permutation([*stored])[: round(bad_share * len(stored))]
            for path, (spoil, kind) in zip(chosen, faults[bool(storage)]):
                spoil(path)
                bad[str(path)] = kind.value
        for subset, left_out in {split: set(), f"{split}_sound": {*map(Path, bad)}}.items():
            for name, storages in {"videos": CODECS, "folders": ("",)}.items():
                listed = [
                    line
                    for storage in storages
                    for path, line in lines[storage].items()
                    if path not in left_out
                ]
                (root / f"{subset}_{name}.txt").write_text("".join(listed))
    return injected


def write_frames(path: Path, frames: np.ndarray) -> None:
    """Write RGB frames (T, H, W, 3) as a video, or as jpg files where there is no suffix."""
    if path.suffix:
        # Error-resilient frames are decoded the same wherever they stand; `put_endless` needs it.
        vp9 = {"deadline": "realtime", "cpu-used": "8", "error-resilient": "1"}
        options = vp9 if path.suffix == ".webm" else {"b": "1000000"}
        write_video(path, frames, 16, CODECS[path.suffix], options=options)
        return
    path.mkdir()
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(path / FRAME_NAME.format(number)), frame[..., ::-1])


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def empty(path: Path) -> None:
    remove(path)
    path.touch() if path.suffix else path.mkdir()


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def randomize(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(4096))


def drop_frames(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix], 16)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()


def put_picture(path: Path) -> None:
    path.write_bytes(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes())


def put_web_page(path: Path) -> None:
    """As a failed download leaves it."""
    path.write_text("<!doctype html><title>429</title><p>Too many requests</p>\n" * 99)


def put_folder(path: Path) -> None:
    """No user can read it as a file, not even root."""
    remove(path)
    path.mkdir()


def put_pipe(path: Path) -> None:
    """Opening it waits for ever."""
    remove(path)
    os.mkfifo(path)


def put_endless(path: Path) -> None:
    """A small file of 100,000 frames: a keyframe, and "as before" over and over."""
    short = path.with_stem("short")
    write_frames(short, np.zeros((2, 720, 960, 3), np.uint8))
    remove(path)
    with av.open(str(short)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        key, same = (bytes(packet) for packet in source.demux(video=0) if packet.size)
        for time in range(100_000):
            packet = av.Packet(same if time else key)
            packet.stream, packet.time_base = stream, Fraction(1, 16)
            packet.pts = packet.dts = time
            packet.is_keyframe = time == 0
            container.mux(packet)
    remove(short)


def put_file(path: Path) -> None:
    remove(path)
    path.write_bytes(b"not a folder")


def in_second_half(spoil: Callable[[Path], None]) -> Callable[[Path], None]:
    """Spoil the second half of a folder's pictures, as a full disk does."""

    def spoil_folder(path: Path) -> None:
        pictures = sorted(path.iterdir())
        for picture in pictures[len(pictures) // 2 :]:
            spoil(picture)

    return spoil_folder


VIDEO_FAULTS = (
    (remove, BadVideoKind.MISSING),
    (empty, BadVideoKind.EMPTY),
    (truncate, BadVideoKind.TRUNCATED),
    (randomize, BadVideoKind.GARBAGE),
    (drop_frames, BadVideoKind.NO_FRAMES),
    (put_picture, BadVideoKind.WRONG_EXTENSION),
    (put_folder, BadVideoKind.UNREADABLE),
    (put_pipe, BadVideoKind.UNREADABLE),
    (put_endless, BadVideoKind.TIMEOUT),
    (put_web_page, BadVideoKind.WRONG_EXTENSION),
)
FOLDER_FAULTS = (
    (remove, BadVideoKind.MISSING),
    (empty, BadVideoKind.EMPTY),
    (in_second_half(remove), BadVideoKind.MISSING_FRAMES),
    (in_second_half(truncate), BadVideoKind.TRUNCATED),
    (in_second_half(randomize), BadVideoKind.GARBAGE),
    (put_file, BadVideoKind.UNREADABLE),
)
