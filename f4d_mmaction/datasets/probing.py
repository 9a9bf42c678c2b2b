"""Decode one video, or one folder of frames, from the first frame to the last."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from PIL import Image

from .video_reader import VideoReader

# Decoded frames held at once, in bytes.
CHUNK_BYTES = 2**28


def probe_video(path: str) -> tuple[int, float]:
    """Decode every frame of a video as training does; return (frames, frames per second).

    Raises:
        BadVideoError: the file cannot be used; its ``kind`` says why.
    """
    with closing(VideoReader(path)) as reader:
        frames, rate = len(reader), reader.average_fps
        step = max(1, CHUNK_BYTES // reader.read([0])[0].nbytes)
    for start in range(0, frames, step):
        with closing(VideoReader(path)) as reader:  # a reader is sure of its first read alone
            reader.read(range(start, min(start + step, frames)))
    return frames, rate


def probe_frames(paths: list[str]) -> int:
    """Decode images and return their number.

    Pillow, because it refuses a truncated JPEG where OpenCV fills in gray.

    Raises:
        ValueError: an image that cannot be decoded.
    """
    for path in paths:
        try:
            with Image.open(path) as image:
                image.load()
        except (OSError, SyntaxError) as error:
            size = os.path.getsize(path) if Path(path).exists() else "no"
            raise ValueError(f"{Path(path).name} ({size} bytes): {error}") from None
    return len(paths)
