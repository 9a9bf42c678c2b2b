"""TSM on the trunk that the other networks have, so that small ones can be compared."""

import torch
import torch.nn.functional as F
from mmaction.models.backbones.resnet3d_slowonly import ResNet3dSlowOnly
from mmaction.registry import MODELS
from torch import Tensor, nn

from .recomputation import recompute


def temporal_shift(x: Tensor, shift_div: int) -> Tensor:
    """Shift a share of the channels by a frame into the past, and as many into the future.

    (N, C, T, H, W) in and out; frames beyond the ends are zero (TSM, ICCV 2019, section 3).
    """
    fold = x.shape[1] // shift_div
    later, earlier, still = x.split((fold, fold, x.shape[1] - 2 * fold), 1)
    later = F.pad(later[:, :, 1:], (0, 0, 0, 0, 0, 1))
    earlier = F.pad(earlier[:, :, :-1], (0, 0, 0, 0, 1, 0))
    return torch.cat((later, earlier, still), 1)


@MODELS.register_module()
class SlowOnlyTSM(ResNet3dSlowOnly):
    """TSM as MMAction2's ``ResNetTSM``, with SlowOnly's arguments and names of weights.

    One of ``shift_div`` channels shifts each way at the start of every residual branch.
    (N, 3, T, H, W) -> (N, C', T, H', W').
    """

    def __init__(
        self, *args: object, shift_div: int = 8, with_cp: bool = False, **kwargs: object
    ) -> None:
        super().__init__(*args, inflate=(0, 0, 0, 0), **kwargs)
        self.shift_div = shift_div
        for name in self.res_layers:
            for residual in getattr(self, name):
                residual.conv1.register_forward_pre_hook(self._shift)
                if with_cp:
                    recompute(residual)

    def _shift(self, module: nn.Module, args: tuple[Tensor]) -> Tensor:
        return temporal_shift(args[0], self.shift_div)
