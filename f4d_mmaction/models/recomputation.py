"""Computing a block again in the backward pass instead of keeping its results."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from .compiling import is_compiling
from .f4d import Residual4d

Block = TypeVar("Block", bound=nn.Module)


def recomputed(path: Callable[[Block, Tensor], Tensor], block: Block, x: Tensor) -> Tensor:
    """Return ``path(block, x)``, keeping only ``x`` for the backward pass.

    Random numbers repeat, and batch statistics of ``block`` are counted once.
    """
    if not (x.requires_grad and torch.is_grad_enabled()):
        return path(block, x)
    if is_compiling():  # the compiler counts statistics once by itself
        return checkpoint(path, block, x, use_reentrant=False)
    again = False  # PyTorch 2.0 has no argument for it

    def run(x: Tensor) -> Tensor:
        nonlocal again
        with frozen_running_stats(block) if again else nullcontext():
            again = True
            return path(block, x)

    return checkpoint(run, x, use_reentrant=False)


def recompute(residual: nn.Module) -> None:
    """Have a residual block of the host recompute; its own way counts batch statistics twice."""
    residual.forward = partial(recomputed, type(residual).forward, residual)


def defined(block: Residual4d, x: Tensor) -> Tensor:
    """Return ``x + branch(x)`` as a block defines it."""
    return x + block.branch(x)


@contextmanager
def frozen_running_stats(module: nn.Module) -> Iterator[None]:
    """Within, batch normalization leaves its running statistics as they are."""
    norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]
    statistics = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers()]
    try:
        yield
    finally:
        for buffer, before in statistics:
            buffer.data.copy_(before)  # unseen by autograd, which the norms handed their buffers
