"""Frames of a video of any length, one after the other, in constant memory."""

import os
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from .video_reader import (
    decode_all,
    frame_rate,
    leads,
    open_video,
    read_packets,
    starts_anew,
    to_rgb,
)


class StreamedFrame(NamedTuple):
    """A frame, its number, when a player shows it in seconds, and its picture if it was wanted."""

    number: int
    time: float
    image: np.ndarray | None


def average_fps(path: str | os.PathLike) -> float:
    """Frames per second, 25 where the container has none; ``BadVideoError`` if it is no video."""
    with open_video(os.fsdecode(path)) as video:
        return frame_rate(video.streams.video[0]) or 25


def stream_frames(
    path: str | os.PathLike, wanted: Callable[[int], bool] = lambda index: True, threads: int = 0
) -> Iterator[StreamedFrame]:
    """Decode a video once from its start; only wanted frames are converted to RGB (H, W, 3).

    The decoder takes that many threads, 0 for one per core. Unlike ``VideoReader`` it keeps no
    packet times: memory does not grow with the length, and damage is found when it is reached.
    ``BadVideoError`` if the file is no video, or damaged.
    """
    path = os.fsdecode(path)
    with open_video(path) as video:
        fps = frame_rate(video.streams.video[0]) or 25
        start = list(islice(read_packets(video, path), 2))
    # Errors after a cut are no damage; after one in a leading frame, threads decode nothing more.
    is_cut = any(leads(p, start[0].pts) for p in start) or not all(map(starts_anew, start[:1]))
    reformatter = VideoReformatter()
    with open_video(path, strict=not is_cut, threads=1 if is_cut else threads) as video:
        stream, begin = video.streams.video[0], (video.start_time or 0) / av.time_base
        is_avi, following = video.format.name == "avi", 0.0  # which says when frames were stored
        for index, frame in enumerate(decode_all(video, path)):
            time, ticks = following, frame.dts if is_avi else frame.pts
            if ticks is not None and stream.time_base:
                time = float(ticks * stream.time_base) - begin
                if is_avi if index == 0 else time < following - 1:  # a clock begins, or anew
                    begin, time = begin + time - following, following
            image = to_rgb(frame, reformatter, path) if wanted(index) else None
            following = time + 1 / fps
            yield StreamedFrame(index, time, image)
