"""Sampling, decoding and formatting of action units."""

from f4d_mmaction.datasets.video_reader import VideoReader

from .decoding import DecodeRawUnits, DecodeUnits, InitVideo
from .formatting import FormatActionUnits
from .randaugment import RandAugmentUnits
from .sampling import SampleActionUnits

__all__ = [
    "DecodeRawUnits",
    "DecodeUnits",
    "FormatActionUnits",
    "InitVideo",
    "RandAugmentUnits",
    "SampleActionUnits",
    "VideoReader",
]
