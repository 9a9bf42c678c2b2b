"""What a pipeline feeds the network: contact sheets of samples, augmented as they are."""

from __future__ import annotations

import os
from pathlib import Path

from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..datasets.unwrapping import known_names, unit_frames
from ..structures import Recognition
from .attention import contact_sheet


def browse_data(
    config: Config, out_dir: str | os.PathLike, subset: str = "train", count: int = 8
) -> list[Path]:
    """Draw evenly spaced samples of a dataset, a contact sheet each.

    Args:
        config: Whose pipeline packs action units.
        out_dir: Where the pictures go.
        subset: 'train', 'val' or 'test'.
        count: Number of samples.

    Returns:
        Paths of the pictures.

    Raises:
        ValueError: the pipeline packs no action units.
    """
    init_default_scope(config.get("default_scope", "mmaction"))
    dataset = DATASETS.build(config[f"{subset}_dataloader"].dataset)
    names = known_names(dataset.metainfo)
    count = min(count, len(dataset))
    pictures = []
    for index in (place * len(dataset) // count for place in range(count)):
        info, packed = dataset.get_data_info(index), dataset[index]
        path = info.get("filename") or info.get("frame_dir")
        result = Recognition(path, frames=unit_frames(packed), error="its pipeline packs no units")
        label = info["label"]
        truth = names[label] if names else f"class {label}"
        picture = Path(out_dir, f"{subset}_{index:05}_{Path(path).stem}.png")
        pictures.append(contact_sheet(result, picture, truth=truth))
    return pictures
