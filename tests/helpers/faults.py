"""Faults for a config to inject: `custom_imports = dict(imports=["f4d_mmaction", "faults"])`."""

import os
import signal
from pathlib import Path

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module(force=True)
class StatisticsHook(Hook):
    """Each process keeps the buffers of the network that it validates."""

    priority = "LOW"  # behind EMAHook

    def after_val_iter(self, runner: Runner, *_: object, **__: object) -> None:
        buffers = dict(runner.model.module.named_buffers())
        torch.save(buffers, Path(runner.work_dir, f"buffers_rank{runner.rank}.pth"))


@HOOKS.register_module(force=True)
class FaultHook(Hook):
    """Once in the life of a work directory, one process fails.

    Args:
        kind: 'raise', or the name of a signal, which the process sends itself.
        rank: Of the process.
        workers: Send the signal to its data-loading workers, too.
        stage: 'train' for the sixth iteration, 'val' for the first of the second validation.
    """

    def __init__(
        self, kind: str, rank: int = 1, workers: bool = False, stage: str = "train"
    ) -> None:
        self.kind = kind
        self.rank = rank
        self.workers = workers
        self.stage = stage

    def after_train_iter(self, runner: Runner, *_: object, **__: object) -> None:
        if self.stage == "train" and runner.iter == 5:
            self._fail(runner)

    def after_val_iter(self, runner: Runner, *_: object, **__: object) -> None:
        if self.stage == "val" and runner.epoch == 2:
            self._fail(runner)

    def _fail(self, runner: Runner) -> None:
        mark = Path(runner.work_dir) / "failed"
        if runner.rank != self.rank or mark.exists():
            return
        mark.touch()
        if self.kind == "raise":
            raise ArithmeticError("process 1 has had enough")
        send = os.killpg if self.workers else os.kill
        send(os.getpid(), getattr(signal, self.kind))
