"""Sampling, decoding and formatting of action units."""

from .decoding import DecodeRawUnits, DecodeUnits, InitVideo, VideoReader
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
