"""Computing a block again in the backward pass instead of keeping its results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(function: Callable[..., Tensor], module: nn.Module, *inputs: Tensor) -> Tensor:
    """Return ``function(*inputs)``, keeping only the inputs for the backward pass.

    Random numbers repeat, and batch statistics of ``module`` are counted once.
    """
    if torch.compiler.is_compiling():  # the compiler counts statistics once by itself
        return checkpoint(function, *inputs, use_reentrant=False)
    return checkpoint(
        function,
        *inputs,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), counted_statistics(module)),
    )


@contextmanager
def counted_statistics(module: nn.Module) -> Iterator[None]:
    """Leave the running statistics of batch normalisation as they are."""
    norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    counts = [norm.num_batches_tracked.clone() for norm in norms if norm.track_running_stats]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        for norm, count in zip((n for n in norms if n.track_running_stats), counts):
            norm.num_batches_tracked.copy_(count)
