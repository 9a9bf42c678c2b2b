"""Frames of a video of any length, one after the other, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import av
import numpy as np

from .video_errors import (
    BadVideoKind,
    bad,
    check_is_video,
    missing_bytes,
    read_head,
)


class StreamedFrame(NamedTuple):
    """A frame, its number from 0, when it is shown in seconds, and its picture if it was wanted."""

    index: int
    time: float
    image: np.ndarray | None


def average_fps(path: str | os.PathLike) -> float:
    """Frames per second of a video; 25 where the container does not know.

    Raises:
        BadVideoError: the file is no video.
    """
    with _open(str(path)) as container:
        stream = container.streams.video[0]
        return float(stream.average_rate or stream.guessed_rate or 25)


def stream_frames(
    path: str | os.PathLike, wanted: Callable[[int], bool] = lambda index: True
) -> Iterator[StreamedFrame]:
    """Decode a video once from its start; only wanted frames are converted to RGB (H, W, 3).

    Unlike ``VideoReader`` it keeps no packet, so hours need no more memory than seconds, and
    finds out about damage only when it gets there.

    Raises:
        BadVideoError: the file is no video, or damaged.
    """
    path = str(path)
    fps = average_fps(path)
    with _open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        try:
            for index, frame in enumerate(container.decode(stream)):
                image = _upright(frame) if wanted(index) else None
                time = frame.time if frame.time is not None else index / fps
                yield StreamedFrame(index, time, image)
        except (av.FFmpegError, ValueError) as error:
            raise bad(BadVideoKind.DAMAGED, path, f"decoding: {error}") from error


def _open(path: str) -> av.container.InputContainer:
    head = read_head(path)
    check_is_video(path, head)
    if lost := missing_bytes(path, head):
        raise bad(BadVideoKind.TRUNCATED, path, f"at least {lost} bytes are missing")
    try:
        container = av.open(
            os.path.abspath(path),
            metadata_errors="ignore",
            options={"protocol_whitelist": "file"},
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise bad(BadVideoKind.GARBAGE, path, str(error)) from error
    if not container.streams.video:
        container.close()
        raise bad(BadVideoKind.NO_FRAMES, path, "no video stream")
    return container


def _upright(frame: av.VideoFrame) -> np.ndarray:
    """RGB (H, W, 3), turned as players show it."""
    image = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.rot90(image, turns).copy() if turns else image
