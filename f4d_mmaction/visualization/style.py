"""One style for all pictures of this project, drawn without pyplot: no display, no global state."""

import os
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

INK, MUTED, GRID = "#22303c", "#8a97a3", "#e6eaee"
BLUE, ORANGE, GREEN = "#2f6fb0", "#e07b39", "#3d9970"
DPI = 110
# Class names may be in any script. DejaVu Sans comes with matplotlib; what it lacks is drawn in the
# first of these that the machine has.
FONTS = ["DejaVu Sans", "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei",
         "PingFang SC", "Hiragino Sans GB", "WenQuanYi Zen Hei", "SimHei", "Noto Sans CJK JP",
         "Yu Gothic", "Malgun Gothic", "Noto Sans Devanagari", "Nirmala UI", "Noto Sans Thai",
         "Arial Unicode MS"]  # fmt: skip


def installed_fonts() -> list[str]:
    """List those of ``FONTS`` that there are; matplotlib warns of each that there is not.

    The first, which matplotlib falls back to, is listed though its cache has lost it.
    """
    there = {font.name for font in fontManager.ttflist}
    return [name for name in FONTS if name in there or name == FONTS[0]]


with_style = rc_context(
    {  # a decorator for functions that draw
        "font.family": installed_fonts(),
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
    }
)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty white figure of that many inches."""
    return Figure(figsize=(width, height), dpi=DPI, facecolor="white")


def plain(axes: Axes) -> None:
    """Leave the axes two thin spines and a horizontal grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=3, width=0.6)


def save(figure: Figure, out: str | os.PathLike) -> Path:
    """Write the figure, with the folders above it, and return its path."""
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)
    return out


def to_array(figure: Figure) -> np.ndarray:
    """Return the figure as a picture (H, W, 3) of uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def shorten(text: str, length: int) -> str:
    """Cut a long name to that many characters, and replace what is no text in a file's name."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= length else text[: length - 1] + "…"
