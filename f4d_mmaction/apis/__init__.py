"""Using trained networks: recognition, attention, features, long videos."""

from ..datasets.streaming import average_fps, stream_frames
from ..structures import Prediction, Recognition, Timeline
from .features import Features, extract_features
from .loading import class_names, load_recognizer
from .long_video import SlidingWindow
from .recognition import iter_recognize, list_videos, recognize

__all__ = [
    "Features",
    "Prediction",
    "Recognition",
    "SlidingWindow",
    "Timeline",
    "average_fps",
    "class_names",
    "extract_features",
    "iter_recognize",
    "list_videos",
    "load_recognizer",
    "recognize",
    "stream_frames",
]
