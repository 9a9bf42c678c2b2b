"""Look whether one video, or one folder of frames, is what it is said to be."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
from PIL import Image

__all__ = ["probe_frames", "probe_video"]

#: Headers round durations, and a cut without re-encoding loses the frames before its first key
#: frame; less than this share of the promised frames is taken for damage.
PROMISE_KEPT = 0.9


def probe_video(path: str) -> tuple[int, float]:
    """Decode every frame of a video; return (frames, frames per second).

    Opened by path: decord may crash on a truncated file that it is handed in memory. May still
    hang or crash on damaged files, so call it through `run_isolated`. Raises ValueError where the
    file has no frame, or stops well before the length that its header promises.
    """
    import decord

    reader = decord.VideoReader(path, num_threads=1)
    declared = len(reader)
    if declared == 0:
        raise ValueError("no frames")
    for done in range(declared):
        try:
            reader.next()
        except (StopIteration, decord.DECORDError):
            raise ValueError(f"stops after {done} of {declared} frames") from None
    promised = _promised_frames(path)
    if declared < PROMISE_KEPT * promised:
        raise ValueError(f"truncated or damaged: {declared} frames, its header says {promised}")
    return declared, float(reader.get_avg_fps())


def _promised_frames(path: str) -> int:
    """The header's number of frames, 0 where it has none; decord counts what it finds instead."""
    capture = cv2.VideoCapture(path)
    try:
        return max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    finally:
        capture.release()


def probe_frames(paths: list[str]) -> tuple[int, None]:
    """Decode every image of a frame folder; return (frames, None). ValueError names a bad one.

    Pillow, because it refuses a truncated JPEG where OpenCV fills in grey.
    """
    for path in paths:
        try:
            with Image.open(path) as image:
                image.load()
        except (OSError, SyntaxError) as error:
            size = os.path.getsize(path) if Path(path).exists() else "no"
            raise ValueError(f"{Path(path).name} ({size} bytes): {error}") from None
    return len(paths), None
