"""The F4D network: 4D convolution, attention, blocks, backbone."""

from .attention import ChannelAttention, SpatioTemporalAttention, TemporalAttention
from .blocks import F4DBlock, V4DBlock
from .conv4d import Conv4d, FactorizedConv4d, matched_width
from .inference import prepare_for_inference
from .preprocessing import UnitCombinations, UnitsAsClip, UnitsAsFrames
from .resnet4d import CSN4d, I3D4d, ResNet2Plus1d4d, ResNet4d, X3D4d
from .rivals import CBAMAttention, SEAttention, STMAttention, TEAAttention
from .view_conv3d import ViewConv3d

__all__ = [
    "CBAMAttention",
    "CSN4d",
    "ChannelAttention",
    "Conv4d",
    "F4DBlock",
    "FactorizedConv4d",
    "I3D4d",
    "ResNet2Plus1d4d",
    "ResNet4d",
    "SEAttention",
    "STMAttention",
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
