"""Attention modules of others that take the place of F4D's three (paper, Table V).

Each follows its own paper and sees every unit alone, in the 3D form, where U is part of the batch.
None is an :class:`~.f4d.Attention`: they have no inner residual of their own, and STM and TEA
rewrite features rather than weigh them. ``reduction`` is r, of hidden layers; ``norm_cfg`` is as
MMAction2 configures it.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmcv.cnn import ConvModule, build_norm_layer
from mmengine.model import constant_init
from torch import Tensor, nn

from .f4d import FRESH_GAMMA, check_shape


class PerUnit(nn.Module):
    """A module that transforms each unit separately: (N, U, C, T, H, W) in and out."""

    rewrite: Callable[[Tensor], Tensor]  # units (N*U, C, T, H, W) to the same shape

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, U, C, T, H, W) to the same shape."""
        check_shape(x)
        return self.rewrite(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def channel_mlp(channels: int, reduction: int) -> nn.Sequential:
    """C -> C/r -> C with biases and a ReLU between, on (..., C)."""
    hidden = max(channels // reduction, 1)
    return nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))


def channel_wise(channels: int, kernel_size: tuple[int, int, int]) -> nn.Conv3d:
    """Build a convolution of each channel by itself that keeps the size."""
    t, h, w = kernel_size
    padding = (t // 2, h // 2, w // 2)
    return nn.Conv3d(channels, channels, kernel_size, 1, padding, groups=channels, bias=False)


@MODELS.register_module()
class SEAttention(PerUnit):
    """Squeeze-and-excitation (Hu et al., CVPR 2018), the average taken over a whole unit."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.mlp = channel_mlp(channels, reduction)

    def rewrite(self, x: Tensor) -> Tensor:
        """Map units (N*U, C, T, H, W) to the same shape."""
        return x * self.mlp(x.mean((2, 3, 4))).sigmoid()[..., None, None, None]


@MODELS.register_module()
class CBAMAttention(PerUnit):
    """CBAM (Woo et al., ECCV 2018): channels of a whole unit, then pixels frame by frame.

    ``kernel_size`` is of the convolution over the pixels, ``norm_cfg`` of the norm after it.
    """

    def __init__(
        self, channels: int, reduction: int = 16, kernel_size: int = 7, norm_cfg: dict | None = None
    ) -> None:
        super().__init__()
        self.mlp = channel_mlp(channels, reduction)
        kernel, padding = (1, kernel_size, kernel_size), (0, kernel_size // 2, kernel_size // 2)
        self.conv = nn.Conv3d(2, 1, kernel, padding=padding, bias=False)
        self.norm = build_norm_layer(norm_cfg or dict(type="BN3d"), 1)[1]

    def rewrite(self, x: Tensor) -> Tensor:
        """Map units (N*U, C, T, H, W) to the same shape."""
        gate = self.mlp(x.mean((2, 3, 4))) + self.mlp(x.amax((2, 3, 4)))
        x = x * gate.sigmoid()[..., None, None, None]
        pools = torch.stack((x.amax(1), x.mean(1)), 1)
        return x * self.norm(self.conv(pools)).sigmoid()


class Bottleneck(PerUnit):
    """1x1 to C/4, something in between, 1x1 back, identity: the frame of the STM and TEA blocks."""

    between: Callable[[Tensor], Tensor]  # (N*U, C/4, T, H, W) to the same shape

    def __init__(self, channels: int, norm_cfg: dict | None = None) -> None:
        super().__init__()
        self.norm_cfg = norm_cfg or dict(type="BN3d")
        self.width = max(channels // 4, 1)
        self.reduce = self.conv(channels, self.width)
        self.restore = self.conv(self.width, channels, act_cfg=None)
        constant_init(self.restore.norm, FRESH_GAMMA)  # nearly the identity at first

    def conv(self, channels: int, width: int, space: int = 1, **kwargs: object) -> ConvModule:
        """Build a convolution over pixels with normalization and ReLU."""
        kernel, padding = (1, space, space), (0, space // 2, space // 2)
        layers = dict(conv_cfg=dict(type="Conv3d"), norm_cfg=self.norm_cfg, **kwargs)
        return ConvModule(channels, width, kernel, padding=padding, **layers)

    def rewrite(self, x: Tensor) -> Tensor:
        """Map units (N*U, C, T, H, W) to the same shape."""
        return x + self.restore(self.between(self.reduce(x)))


class FrameDifference(nn.Module):
    """Motion between neighboring frames: K * F(t+1) - F(t) on C/16 channels, 0 for the last."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = max(channels // 16, 1)
        self.reduce = nn.Conv3d(channels, self.out_channels, 1, bias=False)
        self.channel_wise = channel_wise(self.out_channels, (1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, T, H, W) to (N, C/16, T, H, W)."""
        x = self.reduce(x)
        motion = self.channel_wise(x)[:, :, 1:] - x[:, :, :-1]
        return F.pad(motion, (0, 0, 0, 0, 0, 1))


@MODELS.register_module()
class STMAttention(Bottleneck):
    """STM block (Jiang et al., ICCV 2019): spatio-temporal (CSTM) plus motion features (CMM)."""

    def __init__(self, channels: int, norm_cfg: dict | None = None) -> None:
        super().__init__(channels, norm_cfg)
        self.time = channel_wise(self.width, (3, 1, 1))
        self.space = self.conv(self.width, self.width, space=3)
        self.motion = FrameDifference(self.width)
        self.motion_restore = nn.Conv3d(self.motion.out_channels, self.width, 1, bias=False)

    def between(self, x: Tensor) -> Tensor:
        """Map (N*U, C/4, T, H, W) to the same shape."""
        return self.space(self.time(x)) + self.motion_restore(self.motion(x))


@MODELS.register_module()
class TEAAttention(Bottleneck):
    """TEA block (Li et al., CVPR 2020): motion excitation (ME), then aggregation in time (MTA).

    Raises:
        ValueError: C is no multiple of 16.
    """

    def __init__(self, channels: int, norm_cfg: dict | None = None) -> None:
        super().__init__(channels, norm_cfg)
        self.motion = FrameDifference(self.width)
        self.motion_restore = nn.Conv3d(self.motion.out_channels, self.width, 1, bias=False)
        if self.width % 4:
            raise ValueError(f"TEA splits C/4 channels into quarters, got C = {channels}")
        self.quarter = self.width // 4
        self.time = nn.ModuleList(channel_wise(self.quarter, (3, 1, 1)) for _ in range(3))
        self.space = nn.ModuleList(self.conv(self.quarter, self.quarter, space=3) for _ in range(3))

    def between(self, x: Tensor) -> Tensor:
        """Map (N*U, C/4, T, H, W) to the same shape."""
        return self.aggregate(self.excite(x))

    def excite(self, x: Tensor) -> Tensor:
        """ME: weigh channels frame by frame by how much they move."""
        motion = self.motion(x).mean((3, 4), keepdim=True)
        return x + x * (2 * self.motion_restore(motion).sigmoid() - 1)

    def aggregate(self, x: Tensor) -> Tensor:
        """MTA: each quarter of the channels sees one frame more to each side than the last."""
        outputs = list(x.split(self.quarter, 1))  # the first passes as it is
        for i, (time, space) in enumerate(zip(self.time, self.space), start=1):
            carried = outputs[i] if i == 1 else outputs[i] + outputs[i - 1]
            outputs[i] = space(time(carried))
        return torch.cat(outputs, 1)
