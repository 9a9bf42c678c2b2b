"""Videos of any container, codec, size, pace and color format, made to measure."""

from collections.abc import Iterable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from benchmark_data import drifting_texture

from f4d_mmaction.visualization import write_video

CODECS = {".mp4": "libx264", ".avi": "mpeg4", ".webm": "libvpx", ".mkv": "libx264"}


def encode(
    path: Path,
    times: Iterable[int] = range(24),
    fps: int = 12,
    size: tuple[int, int] = (64, 48),
    codec: str | None = None,
    pixels: str = "yuv420p",
    options: dict | None = None,
) -> Path:
    """Write frames shown at multiples of 1 / fps; each has a brightness of its own.

    Args:
        path: Its suffix chooses the container, and the codec where none is given.
        times: When each frame is shown.
        fps: What the header says.
        size: (width, height).
        codec: Of FFmpeg.
        pixels: Pixel format, such as 'gray'.
        options: Of the encoder.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec or CODECS[path.suffix], fps)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = Fraction(1, fps)
        stream.options = options or {}
        for number, time in enumerate(times):
            image = np.full((size[1], size[0], 3), (40 + 8 * number) % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = time, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_texture(
    path: Path,
    frames: int,
    size: tuple[int, int] = (320, 240),
    *codec: str,
    seed: int = 0,
    fps: int = 25,
    **settings: object,
) -> Path:
    """Write a drifting texture, no two frames of which are alike, as ``write_video`` takes it."""
    texture = drifting_texture(frames, size, seed)
    return write_video(path, texture, fps, *codec, **{"options": {}, **settings})


def cut_at_keyframe(source: Path, target: Path, number: int) -> None:
    """Copy a video's packets from a later keyframe on, as cutting without encoding does."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as cut:
        stream = cut.add_stream_from_template(whole.streams.video[0])
        keyframes = 0
        for packet in whole.demux(video=0):
            keyframes += packet.is_keyframe
            if packet.size and keyframes > number:
                packet.stream = stream
                cut.mux(packet)


def copy_streams(sources: list[Path], target: Path, cut: int = 0) -> Path:
    """Copy videos into one file, each as a stream; the first ``cut`` frames before time 0."""
    with ExitStack() as stack:
        videos = [stack.enter_context(av.open(str(source))) for source in sources]
        copy = stack.enter_context(av.open(str(target), "w"))
        streams = [
            copy.add_stream_from_template(video.streams.video[0], opaque=True) for video in videos
        ]
        for video, stream in zip(videos, streams):
            for packet in video.demux(video=0):
                if packet.size:
                    packet.pts -= cut * packet.duration
                    packet.dts -= cut * packet.duration
                    packet.stream = stream
                    copy.mux(packet)
    return target
