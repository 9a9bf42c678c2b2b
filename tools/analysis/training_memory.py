"""Compute which training batches fit on GPUs of 16 to 80 GB, from what autograd keeps."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from f4d_mmaction.analysis.report import markdown_table, write_section

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
        Workspace of kernels and temporary tensors of the backward pass are not counted.
    """
    init_default_scope(config.get("default_scope", "mmaction"))
    with torch.device("meta"):
        model = MODELS.build(config.model).to("meta").train()
        x = torch.empty(1, 1, num_units, 3, clip_len, size, size)
    given = [x, *model.parameters(), *model.buffers()]
    with _Storages(given) as made:
        scores = model(x, mode="tensor", stage="head")  # they hold the graph
    per_video = made.alive() - scores.untyped_storage().nbytes()
    return 3 * sum(p.untyped_storage().nbytes() for p in model.parameters()), per_video


class _Storages(TorchDispatchMode):
    """Counts the bytes of tensors that operators made and that have not been freed since."""

    def __init__(self, given: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self.given = {tensor.untyped_storage()._cdata for tensor in given}
        self.storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        results = func(*args, **kwargs or {})
        for result in tree_leaves(results):
            storage = result.untyped_storage() if isinstance(result, torch.Tensor) else None
            if storage is not None and storage._cdata not in self.given:
                self.storages[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        return results

    def alive(self) -> int:
        return sum(n for storage, n in self.storages.values() if not storage.expired())


def to_markdown(path: str, batch: int, num_units: int, clip_len: int, size: int) -> str:
    """Show what a batch needs in float32, and how many videos fit on cards of four sizes."""
    cards = (16, 24, 40, 80)
    rows = []
    for name, options in RECOMPUTED.items():
        config = Config.fromfile(path)
        config.merge_from_dict(options)
        fixed, per_video = training_bytes(config, num_units, clip_len, size)
        # A tenth of the card is reserved for workspace and the driver.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--num-units", type=int, default=4)
    parser.add_argument("--clip-len", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--markdown", nargs=2, metavar=("FILE", "SECTION"))
    args = parser.parse_args()
    try:
        text = to_markdown(args.config, args.batch, args.num_units, args.clip_len, args.size)
        print(text)
        if args.markdown:
            write_section(*args.markdown, text)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
