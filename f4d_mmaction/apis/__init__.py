"""Using trained networks: recognition, attention, long videos."""

from .loading import class_names, load_all_weights, load_recognizer
from .recognition import Prediction, Recognition, iter_recognize, list_videos, recognize

__all__ = [
    "Prediction",
    "Recognition",
    "class_names",
    "iter_recognize",
    "list_videos",
    "load_all_weights",
    "load_recognizer",
    "recognize",
]
