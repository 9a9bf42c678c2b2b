"""Training pipelines that can hand the network frames of different sizes, found before they do.

The host pads the frames of a batch to the largest: a run then trains on padding, or fills memory.
"""

from __future__ import annotations

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

TRIED = (360, 640), (640, 360), (480, 480)  # heights and widths that a pipeline is tried on
LOOKED_AT = 200  # videos, where the pipeline keeps their sizes


def require_one_size(config: Config) -> None:
    """Check what the training pipeline makes of frames of several sizes.

    Raises:
        ConfigError: it makes several sizes of them, and the videos have several.
    """
    init_default_scope(config.get("default_scope", "mmaction"))
    for dataset in unwrapped(config.train_dataloader.dataset):
        shapes = _shapes(dataset.get("pipeline") or [])
        if len(shapes) < 2 or len(sizes := _sizes(dataset)) < 2:
            continue
        raise ConfigError(
            f"{config.filename}: the training pipeline keeps the videos' frames at different "
            f"sizes, such as {sizes[0]} and {sizes[1]}; add dict(type='Resize', scale=(64, 64), "
            "keep_ratio=False), or a crop of one size, behind the decoder"
        )


def _shapes(pipeline: list) -> set[tuple]:
    """Frame sizes that come out of a pipeline; none where it needs more than frames."""
    names = [get_str_type(step["type"]) for step in pipeline]
    start = max((i for i, name in enumerate(names) if "Decode" in name), default=-1)
    end = next((i for i, name in enumerate(names) if name.startswith("Format")), 0)
    shapes = set()
    for size in TRIED if 0 <= start < end else ():
        results: dict = dict(imgs=[np.zeros((*size, 3), np.uint8)], img_shape=size, modality="RGB")
        results |= dict(original_shape=size, label=0, num_clips=1, clip_len=1)
        try:
            shapes.add(Compose(pipeline[start + 1 : end])(results)["imgs"][0].shape)
        except Exception:  # steps of anyone
            return set()
    return shapes


def _sizes(dataset: dict) -> list[str]:
    """Sizes, as width x height, of videos spread over a dataset; of frame folders none."""
    items = DATASETS.build({**dataset, "pipeline": []})
    places = np.unique(np.linspace(0, len(items) - 1, LOOKED_AT).astype(int)).tolist()
    sizes = set()
    for path in filter(None, (items.get_data_info(place).get("filename") for place in places)):
        try:
            with open_video(path) as video:
                context = video.streams.video[0].codec_context
                sizes.add(f"{context.width} x {context.height}")
        except BadVideoError:  # replaced in training
            continue
    return sorted(sizes)
