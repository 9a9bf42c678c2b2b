"""bfloat16 autocast, which MMEngine's AmpOptimWrapper leaves out on the CPU."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from mmaction.models.heads import BaseHead
from mmaction.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper
from torch import Tensor, nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Forward in bfloat16 autocast on any device; bf16 needs no loss scaling.

    Heads return float32: MMAction2 computes their accuracy in NumPy, which has no bfloat16.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast on the model's device, within the host's gradient accumulation."""
        device = next(model.parameters()).device.type
        with ExitStack() as stack:
            stack.enter_context(super().optim_context(model))
            stack.enter_context(torch.autocast(device, dtype=torch.bfloat16))
            for head in (m for m in model.modules() if isinstance(m, BaseHead)):
                stack.callback(head.register_forward_hook(_in_float32).remove)
            yield


def _in_float32(head: nn.Module, inputs: tuple, scores: object) -> object:
    return scores.float() if isinstance(scores, Tensor) else scores
