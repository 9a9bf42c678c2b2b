"""Measure on the shipped benchmark whether attention follows the moving shape."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmaction.apis import init_recognizer
from torch import nn

from f4d_mmaction.analysis.report import markdown_table
from f4d_mmaction.apis import load_recognizer
from f4d_mmaction.apis.recognition import iter_recognize
from f4d_mmaction.structures import Recognition
from f4d_mmaction.visualization.heat import locations, pixel_weights


class Focus(NamedTuple):
    """How a block's spatio-temporal map treats the moving shape.

    ``inside`` and ``outside`` are mean weights in the shape's box and in the rest of the frame;
    ``peak_inside`` is the share of frames whose highest weight lies in the box, and ``area`` the
    share of the frame that the box covers, which is ``peak_inside`` of a blind map.
    """

    inside: float
    outside: float
    peak_inside: float
    area: float


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
    measured: dict[str, list[Focus]] = {}
    for video, result in zip(videos, iter_recognize(model, paths, 1, batch_size)):
        if result.error:
            raise ValueError(result.error)
        boxes = boxes_of(video)
        for location in locations(result):
            weights = pixel_weights(result, location)
            if weights is not None:
                measured.setdefault(location, []).extend(focus_by_frame(result, weights, boxes))
    if not measured:
        raise ValueError("this network weighs no pixels: none of its blocks has such a map")
    return {location: Focus(*np.mean(rows, axis=0)) for location, rows in measured.items()}


def boxes_of(video: dict) -> dict[int, list[float]]:
    """Box (x0, y0, x1, y1) of the moving shape by frame, from an entry of ``meta.json``."""
    return {
        phase["first"] + offset: box
        for phase in video["phases"]
        for offset, box in enumerate(phase["boxes"])
    }


def focus_by_frame(
    result: Recognition, weights: np.ndarray, boxes: dict[int, list[float]]
) -> Iterator[Focus]:
    """Yield the focus in each frame in which a shape moves; box and pixels share one grid."""
    for index, image in zip(result.frame_inds.flat, weights.reshape(-1, *weights.shape[2:])):
        if index in boxes:
            x0, y0, x1, y1 = boxes[index]
            y, x = np.indices(image.shape)
            inside = (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
            peak = inside.flat[image.argmax()]
            yield Focus(image[inside].mean(), image[~inside].mean(), peak, inside.mean())


def to_markdown(found: dict[str, Focus]) -> str:
    """Return a table, a row for each block."""
    header = "block", "weight on the shape", "elsewhere", "ratio", "peak on the shape", "by chance"
    rows = []
    for location, (inside, outside, peak_inside, area) in found.items():
        weights = f"{inside:.3f}", f"{outside:.3f}", f"{inside / outside:.2f}"
        rows.append([location, *weights, f"{peak_inside:.1%}", f"{area:.1%}"])
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
