"""Using trained networks: recognition, attention, long videos."""

from ..datasets.streaming import average_fps, stream_frames
from ..structures import Prediction, Recognition, Timeline
from .loading import class_names, load_all_weights, load_recognizer
from .long_video import Comparison, SlidingWindow, compare
from .recognition import iter_recognize, list_videos, recognize

__all__ = [
    "Comparison",
    "Prediction",
    "Recognition",
    "SlidingWindow",
    "Timeline",
    "average_fps",
    "class_names",
    "compare",
    "iter_recognize",
    "list_videos",
    "load_all_weights",
    "load_recognizer",
    "recognize",
    "stream_frames",
]
