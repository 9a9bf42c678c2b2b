"""Residual 4D blocks, placed beside a 3D trunk: (N, U, C, T, H, W) in and out."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from mmengine.model import constant_init
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .attention import FrameAttention, PixelAttention, check_units
from .conv4d import Conv4d, FactorizedConv4d, conv_norm_act
from .gates import FramePools, PixelPools, gated, gated_sum
from .recomputation import recomputed

# A fresh block is the trunk plus one percent. It may not be zero: a ReLU follows the last
# normalisation, so a zero gamma means zero output with zero gradient, for ever.
FRESH_GAMMA = 0.01


class Residual4d(nn.Module):
    """``x + branch(x)`` with the recomputation that ``with_cp`` asks for.

    Args:
        channels: C.
        with_cp: Recompute the branch in the backward pass instead of keeping its results.
    """

    def __init__(self, channels: int, with_cp: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.with_cp = with_cp

    def add_branch(self, x: Tensor, maps: dict[str, Tensor] | None = None) -> Tensor:
        """Return ``x`` plus the branch, (N, U, C, T, H, W)."""
        raise NotImplementedError

    def forward(self, x: Tensor, maps: dict[str, Tensor] | None = None) -> Tensor:
        """Map (N, U, C, T, H, W) to the same shape.

        Args:
            x: Features of U units.
            maps: Filled with the block's attention maps, broadcastable against ``x``.
        """
        check_units(x, self.channels)
        if self.with_cp and maps is None and x.requires_grad:
            return recomputed(self.add_branch, self, x)
        return self.add_branch(x, maps)

    def reset_parameters(self) -> None:
        """Draw all weights anew so that the block is close to the identity and yet learns."""
        for module in self.modules():
            if isinstance(module, Conv4d):
                module.reset_parameters()
            elif isinstance(module, _BatchNorm):
                constant_init(module, 1)


def build_attention(entry: str | dict, **defaults: object) -> nn.Module:
    """Build an attention module from a registered name or config.

    Args:
        entry: What to build.
        **defaults: Filled in where the module's constructor asks for them.

    Raises:
        ValueError: the name is not registered.
    """
    config = dict(type=entry) if isinstance(entry, str) else dict(entry)
    kind = config.get("type")
    cls = MODELS.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise ValueError(
            f"unknown attention {kind!r}; expected a module registered in "
            "mmaction.registry.MODELS, such as 'TemporalAttention'"
        )
    wanted = inspect.signature(cls).parameters
    defaults = {name: value for name, value in defaults.items() if name in wanted}
    return MODELS.build({**defaults, **config})


@MODELS.register_module()
class F4DBlock(Residual4d):
    """The F4D residual block (paper, Fig. 1 and eq. 3).

    Factorised 4D convolution, BN, ReLU, dropout, temporal attention in the 4D form, then channel
    and spatio-temporal attention in the 3D form, added to the input.

    Args:
        channels: C.
        kernel_size: (u, t, h, w), odd.
        mid_channels: Width M between the factors: None for the paper's matched width, an int for
            that width, a float in (0, 1] for that fraction of C.
        attention: What follows the convolution, in order: registered names or config dicts.
            ``channels`` and ``norm_cfg`` are filled in where a module asks for them.
        dropout: Probability of dropping a whole channel of a unit.
        norm_cfg: Normalisation, as MMAction2 configures it.
        act_cfg: Activation.
        conv_cfg: Kind of 4D convolution; None for ``dict(type='Conv4d')``.
        with_cp: Recompute the block in the backward pass.

    Raises:
        ValueError: an even kernel, a width outside its range, an unknown or repeated attention.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Sequence[int] = (3, 3, 1, 1),
        mid_channels: int | float | None = None,
        attention: Sequence[str | dict] | str | None = (
            "TemporalAttention",
            "ChannelAttention",
            "SpatioTemporalAttention",
        ),
        dropout: float = 0.1,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        conv_cfg: dict | None = None,
        with_cp: bool = False,
    ) -> None:
        super().__init__(channels, with_cp)
        norm_cfg = norm_cfg or dict(type="BN3d")
        act_cfg = act_cfg or dict(type="ReLU", inplace=True)
        if isinstance(mid_channels, (str, bool)):
            raise ValueError(
                "mid_channels must be None, a whole number or a fraction such as 0.125, got "
                f"{mid_channels!r}"
            )
        if isinstance(mid_channels, float):
            if not 0 < mid_channels <= 1:
                raise ValueError(
                    f"mid_channels as a fraction must lie in (0, 1], got {mid_channels}"
                )
            mid_channels = max(int(mid_channels * channels), 1)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {dropout}")
        self.dropout = dropout
        self.conv = FactorizedConv4d(
            channels, channels, kernel_size, mid_channels, norm_cfg, act_cfg, conv_cfg
        )
        self.norm = build_norm_layer(norm_cfg, channels)[1]
        self.act = build_activation_layer(act_cfg)
        self.attention = nn.ModuleDict()
        for entry in [attention] if isinstance(attention, (str, dict)) else attention or ():
            module = build_attention(entry, channels=channels, norm_cfg=norm_cfg)
            name = type(module).__name__
            if name in self.attention:
                raise ValueError(f"attention names {name} twice: {attention}")
            self.attention[name] = module
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew; the last gamma is small, see ``FRESH_GAMMA``."""
        super().reset_parameters()
        constant_init(self.norm, FRESH_GAMMA)
        for attention in self.attention.values():
            if hasattr(attention, "reset_parameters"):
                attention.reset_parameters()

    def add_branch(self, x: Tensor, maps: dict[str, Tensor] | None = None) -> Tensor:
        """Return ``x`` plus the branch, (N, U, C, T, H, W)."""
        y = self.conv.between(x.transpose(1, 2))
        y = conv_norm_act(self.conv.temporal, self.norm, self.act, y).transpose(1, 2)
        # Gains are collected, so that each kind of attention, and their product, is one pass: per
        # frame those of dropout, TA and CA, per pixel that of STA. Pools follow the gains.
        frames, pixels, pools = self.drop_channels(y), None, None
        for name, attention in self.attention.items():
            if pixels is not None or not isinstance(attention, (FrameAttention, PixelAttention)):
                y, frames, pixels, pools = gated(y, frames, pixels), None, None, None
            if isinstance(attention, FrameAttention):
                pools = pools or FramePools.of(y).scaled(frames)
                weights = attention.frame_map(pools)
                pools = pools.scaled(1 + weights)
                frames = 1 + weights if frames is None else frames * (1 + weights)
                weights = weights[..., None, None]
            elif isinstance(attention, PixelAttention):
                if not torch.is_grad_enabled():  # once for the pools and for the sum
                    y, frames = gated(y, frames), None
                weights = attention.pixel_map(PixelPools.of(y, frames))
                pixels = 1 + weights
                weights = weights.unsqueeze(2)
            else:  # it rewrites features
                y = attention(y)
                continue
            if maps is not None:
                maps[name] = weights
        return gated_sum(x, y, frames, pixels)

    def drop_channels(self, y: Tensor) -> Tensor | None:
        """Return a gain (N, U, C, 1) that drops whole channels of a unit, None outside training."""
        if not (self.training and self.dropout):
            return None
        return F.dropout(y.new_ones(*y.shape[:3], 1), self.dropout)


@MODELS.register_module()
class V4DBlock(Residual4d):
    """The residual block of V4D (Zhang et al., ICLR 2020): one full 4D convolution.

    The paper's text follows it by BN and ReLU, its authors' code by neither.

    Args:
        channels: C.
        kernel_size: (u, t, h, w), odd.
        norm_cfg: Normalisation after the convolution; None for none.
        act_cfg: Activation after it; None for none.
        conv_cfg: Kind of 4D convolution; None for ``dict(type='Conv4d')``.
        with_cp: Recompute the block in the backward pass.

    Raises:
        ValueError: an even kernel.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Sequence[int] = (3, 3, 1, 1),
        norm_cfg: dict | None = dict(type="BN3d"),  # noqa: B006
        act_cfg: dict | None = dict(type="ReLU", inplace=True),  # noqa: B006
        conv_cfg: dict | None = None,
        with_cp: bool = False,
    ) -> None:
        super().__init__(channels, with_cp)
        conv_cfg = conv_cfg or dict(type="Conv4d")
        self.conv = build_conv_layer(conv_cfg, channels, channels, kernel_size)
        self.norm = build_norm_layer(norm_cfg, channels)[1] if norm_cfg else nn.Identity()
        self.act = build_activation_layer(act_cfg) if act_cfg else nn.Identity()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew; a small last gamma, or kernel, leaves the trunk in charge."""
        super().reset_parameters()
        if isinstance(self.norm, nn.Identity):
            with torch.no_grad():
                self.conv.weight.mul_(FRESH_GAMMA)
        else:
            constant_init(self.norm, FRESH_GAMMA)

    def add_branch(self, x: Tensor, maps: dict[str, Tensor] | None = None) -> Tensor:
        """Return ``x`` plus the branch, (N, U, C, T, H, W)."""
        y = conv_norm_act(self.conv, self.norm, self.act, x.transpose(1, 2)).transpose(1, 2)
        return gated_sum(x, y)
