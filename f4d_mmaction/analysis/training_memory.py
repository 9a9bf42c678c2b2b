"""Memory of a training step on a GPU, computed from what autograd keeps, not measured."""

from __future__ import annotations

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from .report import markdown_table

GIB = 2**30
RECOMPUTED = {
    "nothing": {},
    "4D blocks": {"model.backbone.block4d.with_cp": True},
    "all (with_cp)": {"model.backbone.with_cp": True},
}


def training_bytes(
    config: Config, num_units: int = 4, clip_len: int = 8, size: int = 224
) -> tuple[int, int]:
    """Count the bytes of a float32 training step on the meta device.

    Returns:
        Bytes of the weights, gradients and momenta; and bytes that autograd keeps for each video.
        Work space of kernels and the backward pass's own tensors come on top.
    """
    init_default_scope(config.get("default_scope", "mmaction"))
    with torch.device("meta"):
        model = MODELS.build(config.model).to("meta").train()
        x = torch.empty(1, 1, num_units, 3, clip_len, size, size)
    weights = {p.untyped_storage()._cdata: p.untyped_storage() for p in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(x, mode="tensor", stage="head")
    per_video = sum(storage.nbytes() for key, storage in kept.items() if key not in weights)
    return 3 * sum(storage.nbytes() for storage in weights.values()), per_video


def to_markdown(path: str, batch: int, num_units: int, clip_len: int, size: int) -> str:
    """Show what a batch needs in float32, and how many videos fit on cards of four sizes."""
    cards = (16, 24, 40, 80)
    rows = []
    for name, options in RECOMPUTED.items():
        config = Config.fromfile(path)
        config.merge_from_dict(options)
        fixed, per_video = training_bytes(config, num_units, clip_len, size)
        # A tenth of the card is left for work space and the driver.
        fit = [max(int((0.9 * card * GIB - fixed) // per_video), 0) for card in cards]
        rows.append(
            [
                name,
                f"{per_video / GIB:.2f}",
                f"{(fixed + batch * per_video) / GIB:.1f}",
                *fit,
            ]
        )
    header = ["recomputed", "GiB a video", f"GiB for {batch} videos"]
    return (
        f"Computed, float32, {num_units} x {clip_len} frames of {size} x {size} a video:\n\n"
        + markdown_table([*header, *(f"videos on {card} GB" for card in cards)], rows)
    )
