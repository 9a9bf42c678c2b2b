"""The F4D network: 4D convolution, attention, blocks, backbone."""

from . import blocks as _blocks  # registers  # noqa: F401
from .f4d import (
    Attention,
    ChannelAttention,
    Conv4d,
    F4DBlock,
    FactorizedConv4d,
    Layers,
    SpatioTemporalAttention,
    TemporalAttention,
    V4DBlock,
    matched_width,
)
from .inference import prepare_for_inference
from .other_attention import CBAMAttention, SEAttention, STMAttention, TEAAttention
from .preprocessing import ActionUnits, UnitCombinations, UnitsAsClip, UnitsAsFrames
from .resnet4d import CSN4d, I3D4d, ResNet2Plus1d4d, ResNet4d, X3D4d
from .temporal_shift import SlowOnlyTSM
from .view_conv3d import ViewConv3d

__all__ = [
    "ActionUnits",
    "Attention",
    "CBAMAttention",
    "CSN4d",
    "ChannelAttention",
    "Conv4d",
    "F4DBlock",
    "FactorizedConv4d",
    "I3D4d",
    "Layers",
    "ResNet2Plus1d4d",
    "ResNet4d",
    "SEAttention",
    "STMAttention",
    "SlowOnlyTSM",
    "SpatioTemporalAttention",
    "TEAAttention",
    "TemporalAttention",
    "UnitCombinations",
    "UnitsAsClip",
    "UnitsAsFrames",
    "V4DBlock",
    "ViewConv3d",
    "X3D4d",
    "matched_width",
    "prepare_for_inference",
]
