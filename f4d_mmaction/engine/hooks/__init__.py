"""MMEngine hooks of this project."""

from .bad_videos import BadVideoHook, BadVideoMetric, TooManyBadVideosError

__all__ = ["BadVideoHook", "BadVideoMetric", "TooManyBadVideosError"]
