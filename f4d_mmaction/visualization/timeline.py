"""Scores along a long video, as a picture and under the playing video."""

import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import FuncFormatter, MultipleLocator
from PIL import Image, ImageDraw, ImageFont

from ..datasets.streaming import StreamedFrame, average_fps, stream_frames
from ..structures import Timeline
from .style import DPI, INK, MUTED, installed_fonts, new_figure, save, shorten, with_style
from .video import Stage, write_video

ROWS = 8  # classes shown
ROW = 0.26  # inches
NAMES = 2.3
COLUMNS = 1000
TICKS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 86400)


@with_style
def draw_timeline(timeline: Timeline, out: str | os.PathLike, rows: int = ROWS) -> Path:
    """Draw the ``rows`` classes that win most, the darker the surer; a window is at its middle."""
    chosen = main_classes(timeline, rows)
    figure = new_figure(9.5, 1.15 + ROW * len(chosen))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    axes = figure.subplots()
    _draw_rows(axes, timeline, chosen)
    name = shorten(Path(timeline.path).name, 60)
    told = f"{len(timeline.scores)} windows of {np.mean(timeline.ends - timeline.starts):.1f} s"
    axes.set_title(name, loc="left", fontsize=11, fontweight="bold", pad=12, parse_math=False)
    axes.set_title(told, loc="right", fontsize=8, color=MUTED)
    return save(figure, out)


def main_classes(timeline: Timeline, count: int) -> list[int]:
    """The classes that win most windows, in the order in which each first wins."""
    winners = timeline.scores.argmax(1)
    labels, first, wins = np.unique(winners, return_index=True, return_counts=True)
    most = np.argsort(-wins, kind="stable")[:count]
    return labels[most][np.argsort(first[most])].tolist()


def _draw_rows(axes: Axes, timeline: Timeline, chosen: list[int]) -> None:
    middles = (timeline.starts + timeline.ends) / 2
    half = (middles[-1] - middles[0]) / max(2 * (len(middles) - 1), 1) or 0.5
    extent = (middles[0] - half, middles[-1] + half, len(chosen) - 0.5, -0.5)
    scores = timeline.scores[:, chosen].T
    # Each column of pixels shows the windows that are nearest to it; of several, the peaks.
    ends = np.concatenate(([extent[0]], (middles[1:] + middles[:-1]) / 2))
    columns = np.linspace(*extent[:2], COLUMNS, endpoint=False)
    first = np.searchsorted(ends, columns, side="right") - 1
    scores = np.maximum.reduceat(scores, first, axis=1)
    image = axes.imshow(scores, "Blues", vmin=0, vmax=1, aspect="auto", extent=extent)
    image.set_interpolation("nearest")
    axes.hlines(np.arange(1, len(chosen)) - 0.5, *extent[:2], color="white", linewidth=2)
    axes.set_xlim(timeline.edges[0], timeline.edges[-1])
    axes.set_facecolor("#f7f8fa")
    names = [shorten(timeline.classes[label], 36) for label in chosen]
    axes.set_yticks(range(len(chosen)), names, fontsize=7.5, parse_math=False)
    axes.tick_params(axis="y", length=0)
    seconds = timeline.edges[-1] - timeline.edges[0]
    axes.xaxis.set_major_locator(MultipleLocator(TICKS[np.searchsorted(TICKS[:-1], seconds / 9)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
    axes.spines[:].set_visible(False)


def clock(seconds: float) -> str:
    """Format a time as m:ss, or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@with_style
def timeline_video(
    timeline: Timeline, out: str | os.PathLike, fps: float | None = None, rows: int = 5
) -> Path:
    """Play the video with the best class of the moment over it and its timeline under it.

    Decodes the video once more, a frame at a time. ``out`` is an mp4 file of ``fps`` frames a
    second, by default the video's own, at most 30; ``rows`` are the most classes to show.
    """
    chosen = main_classes(timeline, rows)
    fps = fps or min(average_fps(timeline.path), 30)
    figure = new_figure(7.2, 5.2 + ROW * len(chosen))
    W, H = figure.get_size_inches()
    screen = figure.add_axes((0.3 / W, 1 - 4.6 / H, 6.6 / W, 4.0 / H))
    screen.set_visible(False)
    track = figure.add_axes((NAMES / W, 0.4 / H, (6.9 - NAMES) / W, ROW * len(chosen) / H))
    _draw_rows(track, timeline, chosen)
    stage = Stage(figure, screen, [track])
    return write_video(out, _play(timeline, stage, fps), fps)


def _play(timeline: Timeline, stage: Stage, fps: float) -> Iterator[np.ndarray]:
    """Yield pictures at constant pace; frames that come at a varying one are skipped or held."""
    middles, shown = (timeline.starts + timeline.ends) / 2, 0
    end = StreamedFrame(0, 0, None)
    for frame, following in pairwise(chain(stream_frames(timeline.path), [end])):
        until = (shown + 1) / fps if following is end else following.time - timeline.edges[0]
        while frame.image is not None and (shown + 0.5) / fps < until:
            picture = stage.show(frame.image, frame.time)
            scores = timeline.scores[np.abs(middles - frame.time).argmin()]
            name = shorten(timeline.classes[scores.argmax()], 50)
            yield _caption(picture, name, f"{scores.max():.0%}   {clock(frame.time)}")
            shown += 1


def _caption(picture: np.ndarray, name: str, told: str) -> np.ndarray:
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    left, right, y = int(0.3 * DPI), int(6.9 * DPI), int(0.34 * DPI)
    draw.text((left, y), name, INK, _font(name, "bold", 18), anchor="ls")
    draw.text((right, y), told, MUTED, _font("", "normal", 15), anchor="rs")
    return np.asarray(image)


@lru_cache
def _font(text: str, weight: str, size: int) -> ImageFont.FreeTypeFont:
    """The first of the installed fonts that has most of a text's characters."""

    def known(file: str) -> int:
        characters = get_font(file).get_charmap()
        return sum(ord(character) in characters for character in text)

    fonts = (FontProperties(family=name, weight=weight) for name in installed_fonts())
    return ImageFont.truetype(max(map(findfont, fonts), key=known), size)
