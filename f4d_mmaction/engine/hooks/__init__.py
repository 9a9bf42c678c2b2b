"""MMEngine hooks of this project."""

from .average import SyncedEMAHook
from .bad_video import BadVideoHook, BadVideoMetric, TooManyBadVideosError
from .checkpoint import SafeCheckpointHook
from .fast_inference import FastInferenceHook
from .invalid_numbers import InvalidLossError, InvalidNumbersHook
from .labels import CheckLabelsHook
from .pictures import AttentionVisualizationHook, ErrorCurveHook
from .preemption import PreemptionHook

__all__ = [
    "AttentionVisualizationHook",
    "BadVideoHook",
    "BadVideoMetric",
    "CheckLabelsHook",
    "ErrorCurveHook",
    "FastInferenceHook",
    "InvalidLossError",
    "InvalidNumbersHook",
    "PreemptionHook",
    "SafeCheckpointHook",
    "SyncedEMAHook",
    "TooManyBadVideosError",
]
