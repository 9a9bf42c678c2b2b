"""Measure whether attention follows what moves.

On the shipped benchmark, which knows where its shape is, when a shape is moving; in the videos of
any config's test set, the tenth of a frame's pixels that changes most from frame to frame.
"""

import argparse
import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from scipy.stats import spearmanr

from f4d_mmaction.analysis.report import markdown_table
from f4d_mmaction.apis import load_recognizer
from f4d_mmaction.apis.recognition import iter_recognize
from f4d_mmaction.structures import Recognition
from f4d_mmaction.visualization.heat import frame_weights, locations, pixel_weights
from mmaction.apis import init_recognizer
from mmaction.registry import DATASETS

MOVING = 0.1  # of the pixels of a frame
Regions = Callable[[Recognition], np.ndarray]


class Focus(NamedTuple):
    """How a block's spatio-temporal map treats a region of each frame.

    ``inside`` and ``outside`` are mean weights in the region and in the rest of the frame;
    ``peak_inside`` is the share of frames whose highest weight lies in the region, and ``area`` the
    share of the frame that it covers, which is ``peak_inside`` of a blind map.
    """

    inside: float
    outside: float
    peak_inside: float
    area: float


class Pace(NamedTuple):
    """How a block's temporal map follows the change from frame to frame, a mean over videos.

    ``moving`` and ``still`` are mean weights of the quarter of a video's frames that changes most
    and least. ``rank`` is Spearman's correlation of weight and change, with the half width of its
    95 % interval, and ``chance`` the same with the weights of the video before.
    """

    moving: float
    still: float
    rank: float
    half: float
    chance: float


def measure_focus(
    results: Iterable[Recognition], regions: Regions
) -> tuple[dict[str, Focus], dict[str, Pace]]:
    """Compare each block's map inside and outside regions (U, T, H, W), and with the change.

    Returns:
        The focus of each block that weighs pixels and the pace of each that weighs frames, by
        location.

    Raises:
        ValueError: no video can be read, or a network with no such map; where some videos can,
            those that cannot are left out and told.
    """
    focus: dict[str, list[Focus]] = defaultdict(list)
    change, weights, bad = [], defaultdict(list), []
    for result in results:
        if result.error:
            bad.append(result.error)
            continue
        frames_seen = frames_of(result)
        if frames_seen.shape[1] > 1:
            change.append(change_of(frames_seen))
        for location in locations(result):
            if (pixels := pixel_weights(result, location)) is not None:
                focus[location].extend(focus_by_frame(pixels, regions(result)))
            if (frames := frame_weights(result, location)) is not None:
                weights[location].append(frames.ravel())
    if not focus and not weights:
        raise ValueError(bad[0] if bad else "no block of this network weighs pixels or frames")
    for error in bad:
        warnings.warn(f"left out: {error}", stacklevel=2)
    found = {location: Focus(*np.mean(rows, axis=0)) for location, rows in focus.items() if rows}
    # Units of one frame have nothing that changes from one to the next.
    return found, {location: pace(change, rows) for location, rows in weights.items() if change}


def focus_by_frame(weights: np.ndarray, regions: np.ndarray) -> Iterator[Focus]:
    """Yield the focus in each frame that has a region; both are (U, T, H, W)."""
    for image, inside in zip(*(x.reshape(-1, *x.shape[2:]) for x in (weights, regions))):
        if inside.any() and not inside.all():
            peak = inside.flat[image.argmax()]
            yield Focus(image[inside].mean(), image[~inside].mean(), peak, inside.mean())


def pace(change: list[np.ndarray], weights: list[np.ndarray]) -> Pace:
    """Compare the change of frames with their weights, each (videos, U*T)."""
    orders = [values.argsort() for values in change]
    quarter = max(1, len(orders[0]) // 4)
    moving = np.mean([row[order[-quarter:]] for row, order in zip(weights, orders)])
    still = np.mean([row[order[:quarter]] for row, order in zip(weights, orders)])
    own, other = (
        np.array([rank_correlation(*pair) for pair in zip(change, rows)])
        for rows in (weights, [weights[-1], *weights])
    )
    half = 1.96 * own.std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else np.nan
    return Pace(moving, still, own.mean(), half, other.mean())


def rank_correlation(change: np.ndarray, weights: np.ndarray) -> float:
    """Spearman's; 0 where one is the same in all frames, which follows nothing."""
    return 0.0 if 0 in (np.ptp(change), np.ptp(weights)) else spearmanr(change, weights).statistic


def frames_of(result: Recognition) -> np.ndarray:
    """The frames (U, T, H, W, 3) that the network saw; ``ValueError`` where there are none."""
    if result.frames is None:
        raise ValueError(f"{result.path}: the network takes no units")
    return result.frames


def steps(frames: np.ndarray) -> np.ndarray:
    """Change of each pixel between neighboring frames of a unit, (U, T - 1, H, W)."""
    return np.abs(np.diff(frames.astype(np.float32).mean(-1), axis=1))


def moving_pixels(result: Recognition) -> np.ndarray:
    """The tenth of each frame that changes most (U, T, H, W); none in a unit's outer frames.

    What is at a place now differs there from the frame before and the frame after; what has left or
    will come, from one of them only.
    """
    step = steps(frames_of(result))
    if step.shape[1] < 2:
        raise ValueError(f"units of {step.shape[1] + 1} frames: 3 are needed to see what moves")
    change = np.minimum(step[:, :-1], step[:, 1:])
    limit = np.quantile(change, 1 - MOVING, axis=(2, 3), keepdims=True)
    return np.pad(change > limit, ((0, 0), (1, 1), (0, 0), (0, 0)))


def change_of(frames: np.ndarray) -> np.ndarray:
    """Mean change of each frame (U * T,) from its neighbors in the unit."""
    step = steps(frames).mean((2, 3))
    return (np.pad(step, ((0, 0), (1, 0)), "edge") + np.pad(step, ((0, 0), (0, 1)), "edge")).ravel()


def moving_shapes(boxes: dict[str, dict[int, list[float]]], result: Recognition) -> np.ndarray:
    """The box of the moving shape in each frame (U, T, H, W), by video and frame."""
    found = np.zeros(frames_of(result).shape[:4], bool)
    y, x = np.indices(found.shape[2:])
    for place, index in np.ndenumerate(result.frame_inds):
        if index in boxes[result.path]:
            x0, y0, x1, y1 = boxes[result.path][index]
            found[place] = (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
    return found


def boxes_of(video: dict) -> dict[int, list[float]]:
    """Box (x0, y0, x1, y1) of the moving shape by frame, from an entry of ``meta.json``."""
    return {
        phase["first"] + offset: box
        for phase in video["phases"]
        for offset, box in enumerate(phase["boxes"])
    }


def choose_videos(root: str | None, config: Config, count: int) -> tuple[list[str], Regions]:
    """Test videos of a benchmark's folder or of the config, spread evenly; what moves in them.

    Raises:
        FileNotFoundError: ``root`` holds no benchmark, or the config's lists are missing.
        ValueError: the config's test set holds no video files.
    """
    if root:
        meta = json.loads(Path(root, "meta.json").read_text(encoding="utf-8"))
        videos = spread(meta["videos"]["test"], count)
        boxes = {str(Path(root, video["file"])): boxes_of(video) for video in videos}
        return list(boxes), partial(moving_shapes, boxes)
    dataset = DATASETS.build(config.test_dataloader.dataset)
    infos = [dataset.get_data_info(index) for index in spread(range(len(dataset)), count)]
    if any("filename" not in info for info in infos):
        raise ValueError("the test set is frame folders; give a config of video files")
    return [info["filename"] for info in infos], moving_pixels


def spread(items: Sequence, count: int) -> list:
    """So many items, or all of few, from end to end: lists may go class by class."""
    count = min(count, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def to_markdown(focus: dict[str, Focus], pace: dict[str, Pace]) -> str:
    """Return a table for pixels and one for frames, a row for each block."""
    header = "block", "weight on what moves", "elsewhere", "ratio", "peak on it", "by chance"
    rows = []
    for location, (inside, outside, peak_inside, area) in focus.items():
        weights = f"{inside:.3f}", f"{outside:.3f}", f"{inside / outside:.2f}"
        rows.append([location, *weights, f"{peak_inside:.1%}", f"{area:.1%}"])
    tables = [markdown_table(header, rows)] if rows else []
    header = "block", "moving frames", "still frames", "ratio", "rank correlation", "by chance"
    rows = []
    for location, (moving, still, rank, half, chance) in pace.items():
        weights = f"{moving:.3f}", f"{still:.3f}", f"{moving / still:.2f}"
        rows.append([location, *weights, f"{rank:+.2f} ± {half:.2f}", f"{chance:+.2f}"])
    return "\n\n".join([*tables, markdown_table(header, rows)] if rows else tables)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", nargs="?", help="folder of the benchmark, such as data/phase_order")
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
        videos, regions = choose_videos(args.root, model.cfg, args.videos)
        results = iter_recognize(model, videos, 1, args.batch)
        print(to_markdown(*measure_focus(results, regions)))
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
