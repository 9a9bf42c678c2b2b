"""Recognize videos with an exported model: numpy, PyAV and onnxruntime, nothing else.

Made to be copied, together with ``video_reader.py`` and ``video_errors.py`` of
``f4d_mmaction/datasets``, which it finds beside itself, in its repository or in the installed
package. What the network was trained to see (units, frames, crops, class names) is read from the
ONNX file, and normalization is inside it.

Prints one JSON line a video.
"""

import argparse
import importlib
import json
import sys
import types
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

# The package around the reader needs PyTorch, the reader does not: import it without the package.
reading = sys.modules["reading"] = types.ModuleType("reading")
here = Path(__file__).resolve().parent
places = ".", "../../f4d_mmaction/datasets", "../../../datasets"
reading.__path__ = [str(here / place) for place in places]
VideoReader = importlib.import_module("reading.video_reader").VideoReader


def unit_indices(
    total: int, num_units: int, clip_len: int, frame_interval: int, short: str
) -> np.ndarray:
    """Frame indices (U, T): a unit of T frames in the middle of each of U equal sections."""
    edges = np.arange(num_units + 1) * total / num_units
    first = np.minimum(np.ceil(edges[:-1]), np.floor(edges[:-1]) + (np.diff(edges) >= 1))
    size = np.maximum(np.ceil(edges[1:]) - first, 1)
    if short == "shrink":
        if size.min() < clip_len:  # too short even for neighboring frames: spread, with repeats
            steps = (np.arange(clip_len) + 0.5) / clip_len
            return (first[:, None] + np.floor(steps * size[:, None])).astype(int)
        frame_interval = min(frame_interval, int(size.min() - 1) // max(clip_len - 1, 1))
    reach = (clip_len - 1) * frame_interval
    room = size - 1 - reach
    if room.min() < 0:  # units overlap: equal parts of the places that a unit may have
        low, high = sorted((0, total - 1 - reach))
        start = np.round(np.linspace(low, high, num_units))
        if num_units == 1:
            start[:] = low + (high - low + 1) // 2
    else:
        start = np.clip(np.round((edges[:-1] + edges[1:] - 1) / 2 - reach / 2), first, first + room)
    indices = start[:, None] + np.arange(clip_len) * frame_interval
    return np.clip(indices, 0, total - 1).astype(int)


def resize(
    frames: np.ndarray, scale: Sequence[int], keep_ratio: bool = True, area: bool = False
) -> np.ndarray:
    """Resize (F, H, W, 3) bilinearly or by area, as OpenCV does; (-1, s): a short side of s."""
    height, width = frames.shape[1:3]
    long, short = (np.inf, max(scale)) if -1 in scale else (max(scale), min(scale))
    factor = min(long / max(height, width), short / min(height, width))
    if not keep_ratio:
        new_width, new_height = scale
    else:
        new_height, new_width = int(height * factor + 0.5), int(width * factor + 0.5)
    shrinks = new_height <= height and new_width <= width
    weights = linear if not area else shares if shrinks else pairs
    down, across = weights(height, new_height), weights(width, new_width)
    return np.stack(
        [np.rint(np.einsum("ij,jkc,lk->ilc", down, f, across, optimize=True)) for f in frames]
    ).astype(np.uint8)


def shares(size: int, new_size: int) -> np.ndarray:
    """Matrix (new_size, size): the share of each new pixel that each pixel covers."""
    edges = np.arange(new_size + 1)[:, None] * size / new_size
    covered = np.minimum(edges[1:], np.arange(size) + 1) - np.maximum(edges[:-1], np.arange(size))
    return (np.maximum(covered, 0) * new_size / size).astype(np.float32)


def pairs(size: int, new_size: int) -> np.ndarray:
    """The same of the two first pixels alone, which is all where a side grows."""
    growth = new_size / size
    first = np.floor(np.arange(new_size) * (1 / growth))  # rounded as OpenCV does
    second = (np.arange(1, new_size + 1) - (first + 1) * growth).astype(np.float32)
    return between(first + np.where(second < 0, 0, second % 1), size)


def linear(size: int, new_size: int) -> np.ndarray:
    """Matrix (new_size, size) of linear interpolation between pixel centers."""
    return between((np.arange(new_size) + 0.5) * size / new_size - 0.5, size)


def between(place: np.ndarray, size: int) -> np.ndarray:
    """Weights (places, size) of the two pixels next to each place."""
    place = np.clip(place, 0, size - 1)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(size)), 0).astype(np.float32)


def crops(
    frames: np.ndarray, crop_size: int | Sequence[int], places: Sequence[float]
) -> list[np.ndarray]:
    """Cut windows of (F, H, W, 3) at the given places between the top left, 0, and the end, 1."""
    size = (crop_size, crop_size) if isinstance(crop_size, int) else crop_size  # width, height
    width, height = size
    free_y, free_x = frames.shape[1] - height, frames.shape[2] - width
    tops_lefts = [(int(free_y // 2 * 2 * p), int(free_x // 2 * 2 * p)) for p in places]
    return [frames[:, y : y + height, x : x + width] for y, x in tops_lefts]


def read_views(path: str, sampling: dict, steps: Sequence[dict]) -> np.ndarray:
    """Read a video as the network's input: (1, views, U, 3, T, H, W) of uint8."""
    video, units = VideoReader(path, time_limit=60), sampling["num_units"]
    if len(video) < units:
        raise ValueError(
            f"too short: {len(video)} frames, the model reads {units} units of at least one frame"
        )
    indices = unit_indices(len(video), **sampling)
    views = [np.stack(video.read(indices.reshape(-1)))]
    for step in steps:
        name = step["type"]
        if name == "Resize":
            by = step["scale"], step.get("keep_ratio", True), step.get("interpolation") == "area"
            views = [resize(view, *by) for view in views]
        else:
            places = {"CenterCrop": [0.5], "ThreeCrop": [0, 1, 0.5]}[name]
            views = [crop for view in views for crop in crops(view, step["crop_size"], places)]
    units = np.stack(views).reshape(len(views), *indices.shape, *views[0].shape[1:])
    return np.ascontiguousarray(units.transpose(0, 1, 5, 2, 3, 4)[None])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="ONNX file of tools/deployment/export.py")
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--top", type=int, default=5, help="classes to name")
    args = parser.parse_args()
    if args.top < 1:
        parser.error(f"--top must be positive, got {args.top}")

    try:
        session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map
        sampling, steps, labels = (json.loads(metadata[k]) for k in ("sampling", "steps", "labels"))
    except Exception as error:  # onnxruntime has errors of its own
        parser.error(f"{args.model} is no ONNX file of tools/deployment/export.py: {error}")
    failed = 0
    for path in args.videos:
        try:
            frames = read_views(path, sampling, steps)
            scores = session.run(["scores"], {"frames": frames})[0][0]
        except Exception as error:  # onnxruntime has errors of its own
            told = " ".join(str(error).removeprefix(f"{path}: ").split())
            print(f"{path}: {told}", file=sys.stderr)
            failed = 1
            continue
        best = np.argsort(-scores)[: args.top]
        top = [
            {"label": labels[k] if labels else int(k), "score": round(float(scores[k]), 4)}
            for k in best
        ]
        print(json.dumps({"video": path, "top": top}))
    return failed


if __name__ == "__main__":
    sys.exit(main())
