"""Computing a block again in the backward pass instead of keeping its results."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.autograd.function import Function, FunctionCtx
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(function: Callable[..., Tensor], module: nn.Module, *inputs: Tensor) -> Tensor:
    """Return ``function(*inputs)``, keeping only the inputs for the backward pass.

    Random numbers repeat, and batch statistics of ``module`` are counted once.
    """
    if torch.compiler.is_compiling():  # the compiler counts statistics once by itself
        return checkpoint(function, *inputs, use_reentrant=False)
    return checkpoint(
        lambda *inputs: _Result.apply(function(*inputs)),
        *inputs,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), CountedStatistics(module)),
    )


class _Result(Function):
    """The identity, which keeps what it gets: within `checkpoint`, a way to compute it again."""

    @staticmethod
    def forward(ctx: FunctionCtx, result: Tensor) -> Tensor:
        ctx.save_for_backward(result)
        ctx.recomputes = True
        return result.view_as(result)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        return grad


def unkept(result: Tensor | None) -> AbstractContextManager:
    """Have the next layers not keep ``result`` for their backward pass, if it was `recomputed`.

    They get it as it is computed again, which its own backward pass needs anyway. Of nested hooks
    for saved tensors PyTorch applies the innermost, so others (``save_on_cpu``) skip these layers.
    """
    made_by = None if torch.compiler.is_compiling() or result is None else result.grad_fn
    if not getattr(made_by, "recomputes", False):
        return nullcontext()
    storage, again = result.untyped_storage()._cdata, []

    def pack(kept: Tensor) -> Tensor | tuple:
        if kept.untyped_storage()._cdata != storage:
            return kept
        return kept.shape, kept.stride(), kept.storage_offset()

    def unpack(kept: Tensor | tuple) -> Tensor:
        if isinstance(kept, Tensor):
            return kept
        if not again:  # autograd asks once for every layer that wanted it
            again.append(made_by.saved_tensors[0])
        return again[0].as_strided(*kept)

    return saved_tensors_hooks(pack, unpack)


class CountedStatistics(AbstractContextManager):
    """Within, batch normalisation leaves its running statistics as they are."""

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
            if count is not None:
                norm.num_batches_tracked.copy_(count)
        self.before.clear()
