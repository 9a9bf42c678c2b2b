"""Pipelines that hand the network samples of different shapes, found before they do.

The host pads the samples of a batch to the largest: a run is then fed padding, or fills memory.
"""

import os
from collections.abc import Sequence

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from f4d_mmaction.datasets.unwrapping import unwrapped
from f4d_mmaction.datasets.video_errors import BadVideoError
from f4d_mmaction.datasets.video_reader import open_video
from f4d_mmaction.engine.launch import ConfigError
from mmaction.registry import DATASETS
from mmaction.utils import get_str_type

TRIED = {(360, 640), (640, 360), (480, 480)}  # heights and widths that a pipeline is tried on
FRAMES = 300  # of the video that it is tried on
DRAWS = 3  # of a random pipeline
LOOKED_AT = 200  # videos, where the pipeline keeps their sizes


def require_one_size(config: Config, phases: Sequence[str]) -> None:
    """Check what the pipelines of the phases that will run make of frames of several sizes.

    Raises:
        ConfigError: samples that come into one batch differ in shape.
    """
    init_default_scope(config.get("default_scope", "mmaction"))
    for phase in phases:
        loader = config.get(f"{phase}_dataloader") or {}
        if loader.get("batch_size", 1) == 1 or loader.get("batch_sampler"):
            continue  # nothing is padded, or samples may come grouped by shape
        shapes = sorted(set().union(*map(_shapes, unwrapped(loader.get("dataset", {})))))
        if len(shapes) > 1:
            raise ConfigError(
                f"{config.filename}: the pipelines of {phase}_dataloader make samples of several "
                f"shapes, such as {shapes[0]} and {shapes[1]}, which would be padded in a batch; "
                "sample as many units and frames from all videos, and behind the decoder add "
                "dict(type='Resize', scale=(64, 64), keep_ratio=False), or a crop of one size; or "
                "set its batch_size to 1"
            )


def _shapes(dataset: dict) -> set[tuple]:
    """Shapes of a dataset's samples; none where they cannot be told without reading them."""
    pipeline = dataset.get("pipeline") or []
    shapes = {_shape(pipeline, size) for size in TRIED}
    if len(shapes) > 1:
        shapes = {_shape(pipeline, size) for size in [*_sizes(dataset)] * DRAWS}
    return {shape for shape in shapes if shape}


def _shape(pipeline: list, size: tuple[int, int]) -> tuple | None:
    """Shape of what a pipeline makes of a video; None where it needs more than frames."""
    results = dict(total_frames=FRAMES, start_index=0, modality="RGB", label=0)
    try:
        names = [get_str_type(step["type"]) for step in pipeline]
        decode = max(i for i, name in enumerate(names) if "Decode" in name)
        last = next(i for i, name in enumerate(names) if name.startswith("Format"))
        sampling = [step for step, name in zip(pipeline[:decode], names) if "Sample" in name]
        results = Compose(sampling)(results)
        frames = [np.zeros((*size, 3), np.uint8)] * len(results["frame_inds"])
        if names[last] == "FormatActionUnits":  # quicker: all frames are one
            results["unit_index"] = np.zeros(len(frames), int)
            frames = frames[:1]
        results |= dict(imgs=frames, img_shape=size, original_shape=size)
        return Compose(pipeline[decode + 1 : last + 1])(results)["imgs"].shape
    except Exception:  # steps of anyone
        return None


def _sizes(dataset: dict) -> set[tuple[int, int]]:
    """Heights and widths of videos spread over a dataset; of frame folders none."""
    try:
        items = DATASETS.build(dataset)
        places = np.unique(np.linspace(0, len(items) - 1, LOOKED_AT).astype(int)).tolist()
        paths = [items.get_data_info(place).get("filename") for place in places]
    except Exception:  # datasets of anyone; what is wrong with them the Runner says
        return set()
    sizes = set()
    for path in filter(None, paths):
        try:
            with open_video(path if os.path.exists(path) else f"{path}.mp4") as video:
                context = video.streams.video[0].codec_context
                sizes.add((context.height, context.width))
        except BadVideoError:  # replaced in training
            continue
    return sizes
