"""Contact sheets: the frames that a network saw, and its attention to them."""

import os
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from ..structures import Recognition
from .heat import HEAT, frame_weights, glow, locations, pixel_weights
from .style import BLUE, GREEN, GRID, INK, MUTED, ORANGE, new_figure, save, shorten, with_style
from .video import Stage, write_video

LEFT, RIGHT, TOP, BOTTOM = 0.95, 0.75, 0.85, 0.42  # margins in inches
CURVE, GAP = 0.34, 0.16
FINE = 8  # cells across a map


def contact_sheet(
    result: Recognition,
    out: str | os.PathLike,
    location: str | None = None,
    truth: str | None = None,
) -> Path:
    """Draw one video: units as rows, their frames in order, and the weights of one block.

    Pixels glow by the block's spatio-temporal map; under each unit runs the temporal map. Both
    have one scale for the whole video.

    Args:
        result: Of ``recognize``, without error.
        out: The picture.
        location: Of the block, such as 'layer2_1'; the deepest that is fine enough if not given.
        truth: Name of the true class, where it is known.

    Raises:
        ValueError: the result holds no frames in units, or no attention at that location.
    """
    return save(draw_sheet(result, location, truth), out)


@with_style
def draw_sheet(
    result: Recognition, location: str | None = None, truth: str | None = None
) -> Figure:
    """Draw what :func:`contact_sheet` writes."""
    location, frames, scale, times = _weighed(result, location)
    U, T, height, width = frames.shape[:4]
    across = T * min(1.25, 9 / T)
    down = across / T * height / width
    row = down + (CURVE if times is not None else 0) + GAP
    figure = new_figure(LEFT + across + RIGHT, TOP + U * row + BOTTOM)
    _header(figure, result, location, truth)
    if scale is not None:
        bar = _axes(figure, LEFT + across + 0.14, TOP, 0.1, min(U * row - GAP, 2.2))
        _draw_scale(figure, bar, scale)
    for unit in range(U):
        top = TOP + unit * row
        strip = _axes(figure, LEFT, top, across, down)
        _draw_strip(strip, frames[unit])
        strip.set_ylabel(_unit_label(result, unit), rotation=0, ha="right", va="center", labelpad=8)
        if times is not None:
            curve = _axes(figure, LEFT, top + down, across, CURVE)
            _draw_curve(curve, times[unit], times, marker="o")
            curve.spines["bottom"].set_visible(True)
    if times is not None:
        told = f"weight of each frame in the whole video, {times.min():.2f} to {times.max():.2f}"
        curve.set_xlabel(f"curve: {told}", loc="left", fontsize=7.5, color=MUTED)
    return figure


def default_location(result: Recognition) -> str | None:
    """The deepest block whose map is still fine enough to say where; else the first that weighs."""
    found = locations(result)
    sizes = {at: max(weights.shape[3:] for weights in result.maps[at].values()) for at in found}
    fine = [at for at in found if min(sizes[at]) >= FINE]
    return fine[-1] if fine else next(iter(found), None)


@with_style
def attention_video(
    result: Recognition, out: str | os.PathLike, location: str | None = None
) -> Path:
    """Play what the network saw, at the video's own pace, glowing by its attention.

    Beside it stand the best classes, under it runs the weight of each frame. ``out`` is an mp4
    file; arguments and errors are those of :func:`contact_sheet`.
    """
    location, frames, _, times = _weighed(result, location)
    figure = new_figure(6.4, 4.6 if times is not None else 3.7)
    _header(figure, result, location, None, left=0.3)
    screen = _axes(figure, 0.3, TOP, 2.7, 2.7)
    screen.set_visible(False)
    _draw_bars(_axes(figure, 3.25, TOP + 0.1, 2.75, 2.5), result)
    tracks = []
    if times is not None:
        tracks = [_axes(figure, 0.3, TOP + 3, 5.8, 0.4)]
        _draw_track(tracks[0], times)
    stage = Stage(figure, screen, tracks)
    flat = frames.reshape(-1, *frames.shape[2:])
    shown = (stage.show(frame, place + 0.5) for place, frame in enumerate(flat))
    return write_video(out, shown, _pace(result))


def _pace(result: Recognition) -> float:
    """Frames per second at which the sampled frames take as long as they do in the video."""
    if not result.fps or result.frame_inds is None or result.frame_inds.shape[1] < 2:
        return 8.0
    return float(min(max(result.fps / max(np.diff(result.frame_inds[0]).mean(), 1), 2), 30))


def _weighed(
    result: Recognition, location: str | None
) -> tuple[str | None, np.ndarray, tuple[float, float] | None, np.ndarray | None]:
    """Location, glowing frames, their scale, weights of frames (U, T); None where there is none."""
    if result.frames is None:
        raise ValueError(f"{result.path}: {result.error or 'the network takes no units'}")
    location = location or default_location(result)
    if location is None:
        return None, result.frames, None, None
    pixels, times = pixel_weights(result, location), frame_weights(result, location)
    if pixels is None:
        return location, result.frames, None, times
    scale = pixels.min(), pixels.max()
    return location, glow(result.frames, pixels, *scale), scale, times


def _draw_bars(axes: Axes, result: Recognition) -> None:
    """The best classes as bars, their names above them."""
    best = result.predictions[:5]
    axes.barh(range(len(best)), 1, 0.22, color=GRID)
    for place, prediction in enumerate(best):
        axes.barh(place, prediction.score, 0.22, color=MUTED if place else BLUE)
        write = partial(axes.text, y=place - 0.2, fontsize=8, va="bottom", parse_math=False)
        write(0, s=shorten(prediction.name, 38))
        write(1, s=f"{prediction.score:.0%}", ha="right")
    axes.set(xlim=(0, 1), ylim=(4.5, -0.7))
    axes.set_axis_off()


def _draw_track(axes: Axes, times: np.ndarray) -> None:
    """The weight of each frame over the whole video, a band for each unit."""
    U, T = times.shape
    _draw_curve(axes, times.reshape(-1), times)
    for unit in range(0, U, 2):
        axes.axvspan(unit * T, unit * T + T, color=GRID, alpha=0.6, linewidth=0)
    names = [f"unit {unit + 1}" for unit in range(U)]
    axes.set_xticks(T * (np.arange(U) + 0.5), names, fontsize=7.5, color=MUTED)


def _draw_curve(axes: Axes, weights: np.ndarray, times: np.ndarray, marker: str = "") -> None:
    """Weights of frames, each under its frame, at the scale of all ``times``."""
    x = np.arange(len(weights)) + 0.5
    low, span = times.min(), max(np.ptp(times), 1e-6)
    axes.set(xlim=(0, len(weights)), ylim=(low - 0.12 * span, low + 1.2 * span))
    axes.fill_between(x, weights, axes.get_ylim()[0], color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(x, weights, color=BLUE, linewidth=1.5, marker=marker, ms=3, clip_on=False)
    axes.set(xticks=[], yticks=[])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at that many inches from the left and the top."""
    W, H = figure.get_size_inches()
    return figure.add_axes((left / W, 1 - (top + height) / H, width / W, height / H))


def _header(
    figure: Figure, result: Recognition, location: str | None, truth: str | None, left: float = LEFT
) -> None:
    """The best class, green where it is the true one, and what the picture shows."""
    W, H = figure.get_size_inches()
    title, line, color = truth or "", Path(result.path).name, INK
    write = partial(figure.text, fontsize=12, parse_math=False)
    if result.predictions:
        best = result.predictions[0]
        title = best.name
        line += f"  ·  truth: {truth}" if truth is not None else ""
        block = location and f"attention after {location.replace('_', ', block ')}"
        line += f"  ·  {block or 'no attention'}"
        color = INK if truth is None else GREEN if truth == best.name else ORANGE
        write(1 - 0.14 / W, 1 - 0.3 / H, f"{best.score:.0%}", ha="right", color=color)
    title, line = shorten(title, int(8 * W)), shorten(line, int(13 * W))
    write(left / W, 1 - 0.3 / H, title, fontweight="bold", color=color)
    figure.text(left / W, 1 - 0.58 / H, line, fontsize=8, color=MUTED, parse_math=False)


def _unit_label(result: Recognition, unit: int) -> str:
    label = f"unit {unit + 1}"
    if result.frame_inds is not None:
        first, last = result.frame_inds[unit, [0, -1]]
        if result.fps:
            return f"{label}\n{first / result.fps:.1f}–{last / result.fps:.1f} s"
        label += f"\n{first}–{last}"
    return label


def _draw_strip(axes: Axes, frames: np.ndarray) -> None:
    """Show frames (T, H, W, 3) side by side with white lines between them."""
    line = max(1, frames.shape[2] // 60)
    padded = np.pad(frames, ((0, 0), (0, 0), (0, line), (0, 0)), constant_values=255)
    axes.imshow(np.concatenate(list(padded), axis=1), aspect="auto", interpolation="lanczos")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _draw_scale(figure: Figure, axes: Axes, scale: tuple[float, float]) -> None:
    colors = ListedColormap(matplotlib.colormaps[HEAT](np.linspace(0.25, 0.95, 128)))
    bar = figure.colorbar(ScalarMappable(Normalize(*scale), colors), cax=axes)
    bar.outline.set_visible(False)
    bar.set_ticks(scale, labels=[f"{value:.2f}" for value in scale], fontsize=7.5)
    bar.ax.tick_params(length=0)
