"""The paper's three attention maps (section III.E), each with its inner residual.

Every module maps (N, U, C, T, H, W) to the same shape as ``x * (1 + map)``, which is the paper's
``map * x + x`` in one pass over memory. A map is constant within a frame, or over the channels of a
pixel, and comes from pools that are as small as itself (gates.py).
"""

from __future__ import annotations

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from .gates import FramePools, PixelPools


class Attention(nn.Module):
    """A module that weighs its input by ``1 + map``: (N, U, C, T, H, W) in and out.

    A block records the maps of its two kinds, :class:`FrameAttention` and :class:`PixelAttention`,
    and applies any other module as it is.
    """

    def attention_map(self, x: Tensor) -> Tensor:
        """Map (N, U, C, T, H, W) to weights in (0, 1) that broadcast against it."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, U, C, T, H, W) to the same shape."""
        check_units(x)
        return x * (1 + self.attention_map(x))


class FrameAttention(Attention):
    """Attention that weighs the channels of whole frames.

    A chain of such modules reads the features once: scaling a frame scales its pools.
    """

    def frame_map(self, pools: FramePools) -> Tensor:
        """Map pools of (N, U, C, T) to weights in (0, 1) that broadcast against them."""
        raise NotImplementedError

    def attention_map(self, x: Tensor) -> Tensor:
        """Map (N, U, C, T, H, W) to weights that broadcast against it."""
        return self.frame_map(FramePools.of(x))[..., None, None]


class PixelAttention(Attention):
    """Attention that weighs all channels of a pixel alike."""

    def pixel_map(self, pools: PixelPools) -> Tensor:
        """Map pools of (N, U, T, H, W) to weights in (0, 1) of that shape."""
        raise NotImplementedError

    def attention_map(self, x: Tensor) -> Tensor:
        """Map (N, U, C, T, H, W) to weights that broadcast against it."""
        return self.pixel_map(PixelPools.of(x)).unsqueeze(2)


def check_units(x: Tensor, channels: int | None = None) -> None:
    """Raise ``ValueError`` unless ``x`` is (N, U, C, T, H, W) with no empty axis."""
    if x.ndim != 6 or 0 in x.shape or channels not in (None, x.shape[2]):
        raise ValueError(
            f"expected (N, U, {channels or 'C'}, T, H, W) with at least one unit and frame, got "
            f"{tuple(x.shape)}"
        )


class DilatedPair(nn.Module):
    """Sum of two parallel convolutions of kernel 3, with dilation 2 and 3, that keep the size.

    Args:
        conv: ``nn.Conv1d`` or ``nn.Conv3d``.
        channels: Input channels; the output has one.
        axes: For each axis of the convolution, whether the kernel spans it.
    """

    def __init__(self, conv: type[nn.Module], channels: int, axes: tuple[bool, ...]) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            conv(
                channels,
                1,
                tuple(3 if axis else 1 for axis in axes),
                padding=tuple(dilation if axis else 0 for axis in axes),
                dilation=tuple(dilation if axis else 1 for axis in axes),
                bias=False,
            )
            for dilation in (2, 3)
        )

    def reset_parameters(self) -> None:
        """Draw the kernels anew."""
        for path in self.paths:
            path.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, *axes) to (N, 1, *axes)."""
        return self.paths[0](x) + self.paths[1](x)


@MODELS.register_module()
class TemporalAttention(FrameAttention):
    """TA: which frames of the whole video matter (paper, eq. 4 to 6).

    Average and maximum over (C, H, W), added, are one value per frame; the U*T values are one
    sequence in time order, so the map sees across units. Map: (N, U, 1, T).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = DilatedPair(nn.Conv1d, 1, axes=(True,))

    def reset_parameters(self) -> None:
        """Draw the kernels anew."""
        self.conv.reset_parameters()

    def frame_map(self, pools: FramePools) -> Tensor:
        """Map pools (N, U, C, T) to weights (N, U, 1, T)."""
        U, T = pools.mean.shape[1], pools.mean.shape[3]
        frames = pools.mean.mean(2) + pools.peak.amax(2)
        weights = self.conv(frames.flatten(1).unsqueeze(1)).sigmoid()
        return weights.unflatten(2, (U, T)).transpose(1, 2)


@MODELS.register_module()
class ChannelAttention(FrameAttention):
    """CA: which channels of each unit matter (paper, eq. 7 to 9, with F_avg where 8 misprints).

    Average and maximum over (T, H, W) pass a shared MLP C -> C/r -> C. Map: (N, U, C, 1).

    Args:
        channels: C.
        reduction: r.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, max(channels // reduction, 1), bias=False)
        self.excite = nn.Linear(self.squeeze.out_features, channels, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.squeeze.reset_parameters()
        self.excite.reset_parameters()
        # Features after a ReLU are non-negative: a non-negative row keeps one hidden unit alive
        # however few there are.
        with torch.no_grad():
            self.squeeze.weight[0].abs_()

    def frame_map(self, pools: FramePools) -> Tensor:
        """Map pools (N, U, C, T) to weights (N, U, C, 1)."""
        hidden = self.squeeze(pools.mean.mean(3)).relu() + self.squeeze(pools.peak.amax(3)).relu()
        return self.excite(hidden).sigmoid().unsqueeze(3)


@MODELS.register_module()
class SpatioTemporalAttention(PixelAttention):
    """STA: where and when within each unit (paper, eq. 10 to 12).

    Average and maximum over C, concatenated, pass two dilated convolutions over (H, W), ReLU and
    two over T. Map: (N, U, T, H, W).
    """

    def __init__(self) -> None:
        super().__init__()
        self.space = DilatedPair(nn.Conv3d, 2, axes=(False, True, True))
        self.time = DilatedPair(nn.Conv3d, 1, axes=(True, False, False))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the kernels anew."""
        self.space.reset_parameters()
        self.time.reset_parameters()
        # One channel passes the ReLU: a kernel that is mostly negative would block it for good,
        # since what it reads after the block's ReLU is non-negative.
        with torch.no_grad():
            for path in self.space.paths:
                path.weight.abs_()

    def pixel_map(self, pools: PixelPools) -> Tensor:
        """Map pools (N, U, T, H, W) to weights of that shape."""
        planes = torch.stack(pools, 2).flatten(0, 1)
        weights = self.time(self.space(planes).relu()).sigmoid()
        return weights.squeeze(1).unflatten(0, pools.mean.shape[:2])
