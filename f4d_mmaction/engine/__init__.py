"""Running MMEngine: hooks, mixed precision, command lines."""

from .hooks import *  # noqa: F403
from .mixed_precision import BFloat16OptimWrapper

__all__ = ["BFloat16OptimWrapper"]
