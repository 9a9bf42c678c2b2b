"""Computing a block again in the backward pass instead of keeping its results."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from .compiling import is_compiling
from .f4d import Residual4d


def recomputed(
    path: Callable[[Residual4d, Tensor], Tensor], block: Residual4d, x: Tensor
) -> Tensor:
    """Return ``path(block, x)``, keeping only ``x`` for the backward pass.

    Random numbers repeat, and batch statistics of ``block`` are counted once.
    """
    if not (x.requires_grad and torch.is_grad_enabled()):
        return path(block, x)
    if is_compiling():  # the compiler counts statistics once by itself
        return checkpoint(path, block, x, use_reentrant=False)
    return checkpoint(
        path,
        block,
        x,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), FrozenRunningStats(block)),
    )


def defined(block: Residual4d, x: Tensor) -> Tensor:
    """Return ``x + branch(x)`` as a block defines it."""
    return x + block.branch(x)


class FrozenRunningStats(AbstractContextManager):
    """Within, batch normalization leaves its running statistics as they are."""

    def __init__(self, module: nn.Module) -> None:
        self.norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]
        self.before: list[tuple[float | None, Tensor | None]] = []

    def __enter__(self) -> None:
        for norm in self.norms:
            count = norm.num_batches_tracked
            self.before.append((norm.momentum, None if count is None else count.clone()))
            norm.momentum = 0.0

    def __exit__(self, *_: object) -> None:
        for norm, (momentum, count) in zip(self.norms, self.before):
            norm.momentum = momentum
            if count is not None and norm.num_batches_tracked is not None:
                norm.num_batches_tracked.copy_(count)
        self.before.clear()
