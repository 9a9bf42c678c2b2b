"""Faults for a config to inject: `custom_imports = dict(imports=["f4d_mmaction", "faults"])`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module(force=True)
class FaultHook(Hook):
    """Once in the life of a work directory, one process fails in the sixth iteration.

    Args:
        kind: 'raise', or the name of the signal the process sends itself.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def after_train_iter(self, runner: Runner, *_: object, **__: object) -> None:
        mark = Path(runner.work_dir) / "failed"
        if runner.rank != 1 or runner.iter != 5 or mark.exists():
            return
        mark.touch()
        if self.kind == "raise":
            raise ArithmeticError("process 1 has had enough")
        os.kill(os.getpid(), getattr(signal, self.kind))
