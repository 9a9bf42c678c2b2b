"""Draw where SampleActionUnits places its units in long and short videos."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from f4d_mmaction.datasets.transforms import SampleActionUnits
from f4d_mmaction.visualization import style


@style.with_style
def draw_sampling(
    out: str | os.PathLike,
    total_frames: Sequence[int] = (160, 60, 25),
    num_units: int = 4,
    clip_len: int = 8,
    frame_interval: int = 4,
) -> Path:
    """Draw the test-time units of videos of several lengths, under both policies for short ones."""
    rows = [(total, short) for total in total_frames for short in ("shrink", "overlap")]
    figure = style.new_figure(9.5, 0.85 * len(rows) + 0.7)
    all_axes = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    colors = (style.BLUE, style.ORANGE, style.GREEN, "#7c5cbf")
    for axes, (total, short) in zip(all_axes, rows):
        sampler = SampleActionUnits(num_units, clip_len, frame_interval, short, test_mode=True)
        units = sampler.sample(total)
        axes.barh([0] * total, 0.8, left=np.arange(total) + 0.1, height=1.6, color=style.GRID)
        for edge in np.arange(num_units + 1) * total / num_units:
            axes.axvline(edge, color=style.MUTED, linewidth=1, linestyle=(0, (3, 2)))
        for i, unit in enumerate(units):
            # Units that overlap stand below each other.
            height = 1.6 / num_units if short == "overlap" else 1.6
            level = 0.8 - (i + 0.5) * height if short == "overlap" else 0
            color = colors[i % len(colors)]
            axes.barh([level] * clip_len, 0.8, left=unit + 0.1, height=height, color=color)
        axes.set_xlim(-0.5, total + 0.5)
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=2)
        axes.set_ylabel(f"{total} frames\n{short}", rotation=0, ha="right", va="center")
    all_axes[0].set_title(
        f"U = {num_units} sections (dashed), one unit of T = {clip_len} frames from the center of "
        f"each, nominal interval {frame_interval}",
        fontsize=9.5,
        loc="left",
    )
    all_axes[-1].set_xlabel("frame")
    figure.tight_layout()
    return style.save(figure, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="docs/images/sampling.png")
    print(draw_sampling(parser.parse_args().out))


if __name__ == "__main__":
    main()
