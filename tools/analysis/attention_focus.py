"""Measure on the shipped benchmark whether attention looks at what moves."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmaction.apis import init_recognizer
from torch import nn

from f4d_mmaction.analysis.report import markdown_table
from f4d_mmaction.apis import load_recognizer
from f4d_mmaction.apis.recognition import iter_recognize
from f4d_mmaction.structures import Recognition
from f4d_mmaction.visualization.heat import locations, pixel_weights


@dataclass
class Focus:
    """How a block's spatio-temporal map treats the moving shape, over ``frames`` frames.

    Attributes:
        inside: Mean weight inside the shape's box.
        outside: Mean weight of the rest of the frame.
        peak_inside: Share of frames whose highest weight lies inside the box.
        area: Share of the frame that the box covers: ``peak_inside`` of a blind map.
    """

    frames: int
    inside: float
    outside: float
    peak_inside: float
    area: float

    @property
    def looks(self) -> bool:
        """Whether the shape is weighed more than the background, and holds the peak over chance."""
        return self.inside > self.outside and self.peak_inside > self.area


def attention_focus(
    model: nn.Module, root: str | os.PathLike, num_videos: int = 40, batch_size: int = 8
) -> dict[str, Focus]:
    """Compare each block's map inside and outside the box of the moving shape.

    Args:
        model: Of ``load_recognizer``.
        root: A benchmark of ``tools/data/make_benchmark.py``, stored as videos.
        num_videos: How many of its test videos to look at.
        batch_size: Videos in one forward pass.

    Returns:
        The focus of each block that weighs pixels, by location.

    Raises:
        FileNotFoundError, ValueError: ``root`` holds no benchmark, or the network no such map.
    """
    meta = json.loads(Path(root, "meta.json").read_text(encoding="utf-8"))
    videos = meta["videos"]["test"][:num_videos]
    paths = [Path(root) / video["file"] for video in videos]
    measured: dict[str, list[tuple[float, ...]]] = {}
    for video, result in zip(videos, iter_recognize(model, paths, 1, batch_size)):
        if result.error:
            raise ValueError(result.error)
        boxes = boxes_of(video)
        for location in locations(result):
            weights = pixel_weights(result, location)
            if weights is not None:
                measured.setdefault(location, []).extend(_compare(result, weights, boxes))
    if not measured:
        raise ValueError("this network weighs no pixels: none of its blocks has such a map")
    return {
        location: Focus(len(rows), *np.mean(rows, axis=0).tolist())
        for location, rows in measured.items()
    }


def boxes_of(video: dict) -> dict[int, list[float]]:
    """Box (x0, y0, x1, y1) of the moving shape by frame, from an entry of ``meta.json``."""
    return {
        phase["first"] + offset: box
        for phase in video["phases"]
        for offset, box in enumerate(phase["boxes"])
    }


def _compare(
    result: Recognition, weights: np.ndarray, boxes: dict[int, list[float]]
) -> list[tuple[float, ...]]:
    """Rows (inside, outside, peak inside, area) of the frames in which a shape moves."""
    rows = []
    for index, image in zip(result.frame_inds.flat, weights.reshape(-1, *weights.shape[2:])):
        if index in boxes:
            inside = _mask(boxes[index], image.shape)
            peak = bool(inside.flat[image.argmax()])
            rows.append((image[inside].mean(), image[~inside].mean(), peak, inside.mean()))
    return rows


def _mask(box: list[float], shape: tuple[int, int]) -> np.ndarray:
    """Pixels (H, W) whose center lies in the box; (0, 0) is the middle of the first pixel."""
    y, x = np.indices(shape)
    return (box[0] <= x) & (x <= box[2]) & (box[1] <= y) & (y <= box[3])


def to_markdown(found: dict[str, Focus]) -> str:
    """Return a table, a row for each block."""
    header = [
        "block",
        "weight on the shape",
        "elsewhere",
        "ratio",
        "peak on the shape",
        "by chance",
    ]
    rows = [
        [
            location,
            f"{focus.inside:.3f}",
            f"{focus.outside:.3f}",
            f"{focus.inside / focus.outside:.2f}",
            f"{focus.peak_inside:.1%}",
            f"{focus.area:.1%}",
        ]
        for location, focus in found.items()
    ]
    return markdown_table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", help="folder of the benchmark, e.g. data/phase_order")
    parser.add_argument("--config", required=True)
    parser.add_argument("--checkpoint", help="an untrained network, to compare with, if not given")
    parser.add_argument("--videos", type=int, default=160)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--device")
    args = parser.parse_args()

    try:
        if args.checkpoint:
            model = load_recognizer(args.config, args.checkpoint, args.device)
        else:
            torch.manual_seed(0)
            model = init_recognizer(args.config, None, args.device or "cpu")
            model.backbone.init_weights()
        print(to_markdown(attention_focus(model, args.root, args.videos, args.batch)))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
