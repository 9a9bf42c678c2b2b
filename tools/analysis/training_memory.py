"""Compute which training batches fit on GPUs of 8 to 80 GB, from the tensors of a whole step."""

import argparse
from collections.abc import Callable, Sequence
from itertools import product

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from f4d_mmaction.analysis.report import markdown_table, write_section
from mmaction.registry import MODELS

GIB = 2**30
CARDS = (8, 12, 16, 24, 40, 80)
# What the tensors leave to others, an estimate: CUDA's context and cuDNN's workspaces in GiB, and
# the part of a card that the allocator's fragments take.
RESERVE, FRAGMENTS = 1.0, 0.05
RECOMPUTED = {
    "nothing": {},
    "4D blocks": {"model.backbone.block4d.with_cp": True},
    "all (with_cp)": {"model.backbone.with_cp": True},
}


def training_bytes(
    config: Config, batch: int, num_units: int, clip_len: int, size: int, amp: bool = False
) -> int:
    """Count, on the meta device, the bytes of all tensors at the peak of a training step.

    These are weights, gradients, momenta and batch, what autograd keeps, and what the backward
    pass and recomputation make for a while; no workspace within an operator. With ``amp`` features
    have 16 bits, and weights have a copy in 16 bits.
    """
    init_default_scope(config.get("default_scope", "mmaction"))
    with torch.device("meta"):
        model = MODELS.build(config.model).to("meta").train()
        videos = torch.empty(batch, 1, num_units, 3, clip_len, size, size)
    in_float32 = 0
    if amp:  # the meta device has no autocast: all in 16 bits, and what AMP keeps besides
        weights = sum(parameter.numel() for parameter in model.parameters())
        in_float32 = 2 * videos.numel() + (3 * 4 - 3 * 2) * weights
        model, videos = model.half(), videos.half()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()  # makes the momenta
    optimizer.zero_grad()
    state = [state["momentum_buffer"] for state in optimizer.state.values()]
    with _Storages([videos, *model.parameters(), *model.buffers(), *state]) as storages:
        model(videos, mode="tensor", stage="head").float().logsumexp(1).sum().backward()
        optimizer.step()
    return storages.peak + in_float32


class _Storages(TorchDispatchMode):
    """Counts the bytes of given tensors and of those that operators make, while they are alive."""

    def __init__(self, given: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.now = self.peak = 0
        self._add(given)

    def __torch_dispatch__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        results = func(*args, **kwargs or {})
        self._add(tree_leaves(results))
        return results

    def _add(self, tensors: Sequence[object]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage() if isinstance(tensor, torch.Tensor) else None
            if storage is None:
                continue
            reference, _ = self.alive.get(storage._cdata, (None, 0))
            if reference is None or reference.expired():  # new, maybe in an old one's place
                self.alive[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
                self.now += storage.nbytes()
        if self.now > self.peak:  # at most: some may have been freed since
            self.alive = {key: found for key, found in self.alive.items() if not found[0].expired()}
            self.now = sum(nbytes for _, nbytes in self.alive.values())
            self.peak = max(self.peak, self.now)


def to_markdown(path: str, num_units: int, clip_lens: Sequence[int], size: int) -> str:
    """Show what a video needs, and how many fit on cards of six sizes."""
    rows = []
    for clip_len, amp, (name, options) in product(clip_lens, (False, True), RECOMPUTED.items()):
        config = Config.fromfile(path)
        config.merge_from_dict(options)
        one, several = (
            training_bytes(config, batch, num_units, clip_len, size, amp) for batch in (1, 5)
        )
        video = (several - one) / 4
        room = [((1 - FRAGMENTS) * card - RESERVE) * GIB - (one - video) for card in CARDS]
        fitting = [max(int(left // video), 0) for left in room]
        precision = "16 bits (AMP)" if amp else "float32"
        needed = f"{(one - video) / GIB:.2f}", f"{video / GIB:.2f}"
        rows.append([f"U{num_units} x T{clip_len}", precision, name, *needed, *fitting])
    header = ["input", "precision", "recomputed", "GiB", "GiB a video"]
    return (
        f"Computed, {size} x {size} pixels; an estimated {RESERVE:g} GiB and {FRAGMENTS:.0%} of "
        "each card are reserved for CUDA's context, cuDNN's workspaces and the allocator's "
        "fragments:\n\n"
        + markdown_table([*header, *(f"videos on {card} GB" for card in CARDS)], rows)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--num-units", type=int, default=4)
    parser.add_argument("--clip-len", type=int, nargs="+", default=[8, 4])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--markdown", nargs=2, metavar=("FILE", "SECTION"))
    args = parser.parse_args()
    try:
        text = to_markdown(args.config, args.num_units, args.clip_len, args.size)
        print(text)
        if args.markdown:
            write_section(args.markdown[0], args.markdown[1], text)
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
