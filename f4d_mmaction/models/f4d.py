"""F4D: factorized 4D convolution with attention, as the paper defines it (sections III.B to III.E).

It needs PyTorch alone: `blocks.py` builds the blocks from configs, `fused.py` computes them faster.

Symbols: N videos, U action units per video, C channels, T frames per unit, H x W pixels;
(u, t, h, w) is a kernel's size. Convolutions read the 4D form (N, C, U, T, H, W). Blocks and
attention map (N, U, C, T, H, W), the trunk's 3D form (N*U, C, T, H, W) by video, to the same shape.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# A new block is the trunk plus one percent. Zero would never learn: a ReLU follows the last
# normalization, so a gamma of zero gives an output of zero with a gradient of zero.
FRESH_GAMMA = 0.01
Kernel = Sequence[int]
SIZE = (3, 3, 1, 1)  # of a kernel of the paper's networks


def matched_width(in_channels: int, out_channels: int, kernel_size: Kernel) -> int:
    """Width M at which the factors have a full 4D kernel's parameters (paper, section III.C)."""
    u, t, h, w = check_kernel_size(kernel_size)
    full = u * t * h * w * in_channels * out_channels
    return full // (u * h * w * in_channels + t * out_channels)


class Conv4d(nn.Module):
    """Full 4D convolution: (N, C, U, T, H, W) to (N, C', U, T, H, W) (paper, eq. 1)."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Kernel = SIZE, bias: bool = False
    ) -> None:
        super().__init__()
        u, t, h, w = self.kernel_size = check_kernel_size(kernel_size)
        # Five axes, so that channels-last memory takes it as it takes the trunk's kernels.
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, u, t, h * w))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Add up a 3D convolution for each of the u units that the kernel spans (eq. 2)."""
        check_shape(x, self.weight.shape[1], axis=1)
        (u, t, h, w), U = self.kernel_size, x.shape[2]
        kernel = self.weight.unflatten(4, (h, w))
        x = F.pad(x, [size // 2 for size in (w, w, h, h, t, t, u, u)]).transpose(1, 2)
        taps = (F.conv3d(x[:, i : i + U].flatten(0, 1), kernel[:, :, i]) for i in range(u))
        y = sum(taps, start=next(taps)).unflatten(0, (-1, U)).transpose(1, 2)
        return y if self.bias is None else y + self.bias.view(-1, 1, 1, 1, 1)


class Layers(NamedTuple):
    """Kinds of layers: built from a number of channels, from nothing, and like ``Conv4d``."""

    norm: Callable[[int], nn.Module] = nn.BatchNorm3d
    act: Callable[[], nn.Module] = nn.ReLU
    conv: Callable[..., nn.Module] = Conv4d


LAYERS = Layers()


def norm_act(norm: nn.Module, act: nn.Module, x: Tensor) -> Tensor:
    """Normalize and activate (N, C, U, T, H, W) by layers of 3D features: U*T is one axis."""
    return act(norm(x.flatten(2, 3))).unflatten(2, x.shape[2:4])


class FactorizedConv4d(nn.Module):
    """(u,1,h,w) C -> M, normalization, ReLU, (1,t,1,1) M -> C' (paper, section III.C).

    (N, C, U, T, H, W) to (N, C', U, T, H, W). M is ``mid_channels``: a whole number, a fraction of
    C as a float, or None for :func:`matched_width`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Kernel = SIZE,
        mid_channels: int | float | None = None,
        layers: Layers = LAYERS,
    ) -> None:
        super().__init__()
        u, t, h, w = check_kernel_size(kernel_size)
        if isinstance(mid_channels, float):
            mid_channels = max(int(mid_channels * in_channels), 1)
        M = mid_channels or max(matched_width(in_channels, out_channels, kernel_size), 1)
        self.spatial = layers.conv(in_channels, M, (u, 1, h, w))
        self.norm, self.act = layers.norm(M), layers.act()
        self.temporal = layers.conv(M, out_channels, (1, t, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, U, T, H, W) to (N, C', U, T, H, W)."""
        return self.temporal(norm_act(self.norm, self.act, self.spatial(x)))


class Attention(nn.Module):
    """Weighs features by a map made from them: (N, U, C, T, H, W) in and out.

    A kind is the axes that average and maximum pool to size 1, and the weights made of the two.
    """

    pooled: tuple[int, ...] = (4, 5)  # the pixels of a frame
    weights: Callable[[Tensor, Tensor], Tensor]

    def attention_map(self, x: Tensor) -> Tensor:
        """Map (N, U, C, T, H, W) to weights in (0, 1) that broadcast against it."""
        return self.weights(x.mean(self.pooled, keepdim=True), x.amax(self.pooled, keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``map * x + x`` (paper, eq. 6, 9 and 12)."""
        check_shape(x)
        return x * (1 + self.attention_map(x))


class DilatedPair(nn.Module):
    """Sum of two convolutions to one channel, of dilation 2 and 3, that keep the size."""

    def __init__(self, conv: type[nn.Module], channels: int, kernel: Sequence[int]) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            conv(channels, 1, kernel, 1, [d * (k // 2) for k in kernel], d, bias=False)
            for d in (2, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, ...) to (N, 1, ...)."""
        return self.paths[0](x) + self.paths[1](x)


class TemporalAttention(Attention):
    """TA weighs the frames of the whole video. Map: (N, U, 1, T, 1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = DilatedPair(nn.Conv1d, 1, (3,))

    def weights(self, mean: Tensor, peak: Tensor) -> Tensor:
        """Map pools (N, U, C, T, 1, 1), whose U*T frames are one sequence in time order."""
        frames = mean.mean(2, keepdim=True) + peak.amax(2, keepdim=True)  # eq. 4
        return self.conv(frames.flatten(1).unsqueeze(1)).sigmoid().view_as(frames)  # eq. 5


class ChannelAttention(Attention):
    """CA weighs the channels of a unit. Map: (N, U, C, 1, 1, 1); r is ``reduction``."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, max(channels // reduction, 1), bias=False)
        self.excite = nn.Linear(self.squeeze.out_features, channels, bias=False)
        self.squeeze.weight.data[0].abs_()  # features after a ReLU keep one hidden unit alive

    def weights(self, mean: Tensor, peak: Tensor) -> Tensor:
        """Map pools (N, U, C, T, 1, 1) through a shared MLP C -> C/r -> C."""
        mean, peak = mean.mean((3, 4, 5)), peak.amax((3, 4, 5))  # eq. 7
        hidden = self.squeeze(mean).relu() + self.squeeze(peak).relu()
        return self.excite(hidden).sigmoid()[..., None, None, None]  # eq. 8, misprint corrected


class SpatioTemporalAttention(Attention):
    """STA weighs the positions and frames of a unit. Map: (N, U, 1, T, H, W)."""

    pooled = (2,)  # channels

    def __init__(self) -> None:
        super().__init__()
        self.space = DilatedPair(nn.Conv3d, 2, (1, 3, 3))
        self.time = DilatedPair(nn.Conv3d, 1, (3, 1, 1))
        for kernel in self.space.parameters():  # features after a ReLU pass the one between
            kernel.data.abs_()

    def weights(self, mean: Tensor, peak: Tensor) -> Tensor:
        """Map pools (N, U, 1, T, H, W)."""
        planes = torch.cat((mean, peak), 2).flatten(0, 1)  # eq. 10
        return self.time(self.space(planes).relu()).sigmoid().unflatten(0, mean.shape[:2])  # eq. 11


class Residual4d(nn.Module):
    """``x + branch(x)``, the branch a 4D convolution: (N, U, C, T, H, W) in and out."""

    path: "Callable[[Residual4d, Tensor], Tensor] | None" = None  # computes the same in another way

    def __init__(self, channels: int, conv: nn.Module, layers: Layers) -> None:
        super().__init__()
        self.channels, self.conv = channels, conv
        self.norm, self.act = layers.norm(channels), layers.act()
        last = conv if getattr(self.norm, "weight", None) is None else self.norm
        getattr(last, "temporal", last).get_parameter("weight").data.mul_(FRESH_GAMMA)

    def branch(self, x: Tensor, maps: dict[str, Tensor] | None = None) -> Tensor:
        """Map (N, U, C, T, H, W) to the same shape through the convolution, in the 4D form."""
        return norm_act(self.norm, self.act, self.conv(x.transpose(1, 2))).transpose(1, 2)

    def forward(self, x: Tensor, maps: dict[str, Tensor] | None = None) -> Tensor:
        """Return ``x + branch(x)`` (paper, eq. 3); ``maps`` receives the map of each attention."""
        check_shape(x, self.channels)
        return self.path(self, x) if self.path and maps is None else x + self.branch(x, maps)


class V4DBlock(Residual4d):
    """The block of V4D (Zhang et al., ICLR 2020); its authors' code has ``nn.Identity`` layers."""

    def __init__(self, channels: int, kernel_size: Kernel = SIZE, layers: Layers = LAYERS) -> None:
        super().__init__(channels, layers.conv(channels, channels, kernel_size), layers)


class F4DBlock(Residual4d):
    """The block of F4D (paper, Fig. 1): factorized convolution, dropout, attention.

    ``attention`` are modules in their order, None the paper's three; ``dropout`` is the probability
    of dropping an element, which the paper does not give: from scratch, 0 learned best.
    """

    conv: FactorizedConv4d

    def __init__(
        self,
        channels: int,
        kernel_size: Kernel = SIZE,
        mid_channels: int | float | None = None,
        attention: Sequence[nn.Module] | None = None,
        dropout: float = 0.0,
        layers: Layers = LAYERS,
    ) -> None:
        conv = FactorizedConv4d(channels, channels, kernel_size, mid_channels, layers)
        super().__init__(channels, conv, layers)
        if attention is None:
            attention = TemporalAttention(), ChannelAttention(channels), SpatioTemporalAttention()
        self.dropout = nn.Dropout(dropout)
        self.attention = nn.ModuleDict({type(module).__name__: module for module in attention})

    def branch(self, x: Tensor, maps: dict[str, Tensor] | None = None) -> Tensor:
        """Map (N, U, C, T, H, W) to the same shape."""
        y = self.dropout(super().branch(x))
        for name, attention in self.attention.items():
            if maps is not None and isinstance(attention, Attention):
                maps[name] = attention.attention_map(y)
            y = attention(y)
        return y


def check_kernel_size(kernel_size: Kernel) -> tuple[int, int, int, int]:
    """Return (u, t, h, w); ``ValueError`` unless they are odd, which keeps U, T, H and W."""
    kernel = tuple(kernel_size) if isinstance(kernel_size, Sequence) else ()
    if len(kernel) != 4 or not all(type(n) is int and n > 0 and n % 2 for n in kernel):
        raise ValueError(f"kernel_size must be four odd numbers (u, t, h, w), got {kernel_size!r}")
    return kernel


def check_shape(x: Tensor, channels: int | None = None, axis: int = 2, hint: str = "") -> None:
    """Raise ``ValueError`` unless ``x`` has six axes, none of them empty, with C at ``axis``."""
    if x.ndim != 6 or 0 in x.shape or channels not in (None, x.shape[axis]):
        form = f"(N, {channels or 'C'}, U," if axis == 1 else f"(N, U, {channels or 'C'},"
        found = tuple(map(int, x.shape))  # tensors while a network is traced
        raise ValueError(f"expected {form} T, H, W) with no axis empty, got {found}{hint}")
