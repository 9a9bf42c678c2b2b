"""What lies inside wrapped datasets, pipelines and packed samples."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from mmaction.utils import get_str_type
from mmengine.dataset import BaseDataset
from torch import Tensor

Data = TypeVar("Data", dict, BaseDataset)


def unwrapped(dataset: Data) -> Iterator[Data]:
    """Yield MMEngine's datasets, or their configs, inside wrappers that repeat or join them."""
    get = dataset.get if isinstance(dataset, dict) else partial(getattr, dataset)
    inner, several = get("dataset", None), get("datasets", None)
    parts = several or ([] if inner is None else [inner])
    for part in parts:
        yield from unwrapped(part)
    if not parts and isinstance(dataset, (BaseDataset, dict)):
        yield dataset


def tested_dataset(config: Mapping) -> dict:
    """Return the config of the first dataset that a config tests on; empty where there is none."""
    return next(unwrapped((config.get("test_dataloader") or {}).get("dataset") or {}))


def find_sampler(pipeline: Sequence[dict]) -> dict:
    """Return the step of a pipeline that samples action units; ``ValueError`` if none does."""
    steps = {get_str_type(step["type"]): step for step in pipeline}
    if "SampleActionUnits" not in steps:
        raise ValueError(f"expected a pipeline with SampleActionUnits, got {', '.join(steps)}")
    return steps["SampleActionUnits"]


def pack_also(dataset: dict, keys: Sequence[str]) -> None:
    """Have a dataset's config pack further results of its pipeline as each sample's metainfo."""
    for part in unwrapped(dataset):
        for step in part.get("pipeline") or ():
            if get_str_type(step["type"]) == "PackActionInputs":
                known = step.get("meta_keys", ("img_shape", "img_key", "video_id", "timestamp"))
                step["meta_keys"] = (*known, *keys)


def unit_frames(packed: dict) -> np.ndarray | None:
    """Return the frames (U, T, H, W, 3) of a packed sample's first view, None without units."""
    video = packed["inputs"]  # (views, U, C, T, H, W)
    return video[0].permute(0, 2, 3, 4, 1).contiguous().numpy() if video.ndim == 6 else None


def labels_of(label: int | Tensor) -> list[int]:
    """Return the classes of a sample's label: a number, or a vector (classes,) of 0 and 1."""
    if isinstance(label, Tensor) and label.numel() > 1:
        return label.nonzero().flatten().tolist()
    return [int(label)]


def names_of(label: int | Tensor, names: Sequence[str] | None) -> str:
    """Name the classes of a sample's label."""
    return " + ".join(names[k] if names else f"class {k}" for k in labels_of(label))


def known_names(metainfo: Mapping | None) -> list[str] | None:
    """Return the class names in a dataset's metainfo; None for the path of a missing file."""
    classes = (metainfo or {}).get("classes")
    if classes is None or isinstance(classes, str):
        return None
    # MMEngine keeps a file's byte order mark and the blank lines at its end.
    names = [str(name).removeprefix("\ufeff") for name in classes]
    while names and not names[-1].strip():
        names.pop()
    return names
