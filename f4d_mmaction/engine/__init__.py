"""Running MMEngine: loops, hooks, checkpoints, mixed precision, command lines."""

from .checkpoints import AtomicBackend
from .hooks import *  # noqa: F403
from .loops import ResumableEpochLoop
from .mixed_precision import BFloat16OptimWrapper

__all__ = ["AtomicBackend", "BFloat16OptimWrapper", "ResumableEpochLoop"]
