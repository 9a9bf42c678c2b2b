"""Videos that any browser plays, and pictures whose frames and cursor move while the rest stays."""

import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np
from av import VideoStream
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import to_array

CURSOR = (224, 123, 57)


def write_video(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],
    fps: float,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    gop: int | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Encode RGB frames (H, W, 3) of uint8 and of one size, ``fps`` a second, one at a time.

    Odd sizes lose their last row or column, which most pixel formats cannot keep. The suffix of
    ``path`` chooses the container. ``codec``, ``pixel_format`` and ``options`` are FFmpeg's, by
    default those of a small H.264 file of good quality; ``gop`` is the number of frames from
    keyframe to keyframe, None for the encoder's own choice.

    Raises:
        ValueError: fps is not positive, there is no frame or one of another size, or the codec is
            none of videos.
    """
    path = Path(path).absolute()  # to FFmpeg "12:30.mp4" is an address
    if not fps > 0:
        raise ValueError(f"fps must be positive, got {fps}")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"no frames to write into {path}")
    height, width = (size // 2 * 2 for size in first.shape[:2])
    path.parent.mkdir(parents=True, exist_ok=True)
    if options is None:
        options = {"crf": "20", "preset": "veryfast"} if codec == "libx264" else {}
    faststart = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=faststart) as container:
        stream = container.add_stream(codec, Fraction(fps).limit_denominator(1001))
        if not isinstance(stream, VideoStream):
            raise ValueError(f"{codec} encodes no video")
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.options = dict(options)
        if gop is not None:
            stream.codec_context.gop_size = gop
        for image in chain([first], frames):
            if image.shape != first.shape:
                raise ValueError(f"expected frames {first.shape} as the first, got {image.shape}")
            image = np.ascontiguousarray(image[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


class Stage:
    """A figure drawn once; frames are then shown in ``screen``, one of its axes.

    A cursor moves in ``tracks``, axes over the time of the video.
    """

    def __init__(self, figure: Figure, screen: Axes, tracks: Iterable[Axes]) -> None:
        self.background = to_array(figure)
        self.screen = self._pixels(screen)
        self.tracks = [(track, *self._pixels(track)) for track in tracks]

    def _pixels(self, axes: Axes) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of axes in the picture."""
        box = axes.get_window_extent()
        height = self.background.shape[0]
        return round(box.x0), round(height - box.y1), round(box.x1), round(height - box.y0)

    def show(self, frame: np.ndarray, time: float) -> np.ndarray:
        """Return the picture with the frame (H, W, 3), fitted into its place, at a time."""
        picture = self.background.copy()
        left, top, right, bottom = self.screen
        scale = min((right - left) / frame.shape[1], (bottom - top) / frame.shape[0])
        width, height = (max(1, round(size * scale)) for size in frame.shape[1::-1])
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        x, y = left + (right - left - width) // 2, top + (bottom - top - height) // 2
        resized = cv2.resize(frame, (width, height), interpolation=method)
        picture[y : y + height, x : x + width] = resized
        for axes, left, top, right, bottom in self.tracks:
            x = round(axes.transData.transform((time, 0))[0])
            x = min(max(x, left), right - 1)
            picture[top:bottom, max(x - 1, 0) : x + 1] = CURSOR
        return picture
