"""Losses that are NaN or infinite, and the steps that mixed precision skips."""

import math

import torch
from mmaction.datasets.transforms import PackActionInputs
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...datasets.unwrapping import unwrapped
from ..loops import start_workers_late


class InvalidLossError(RuntimeError):
    """A loss that is NaN or infinite."""


@HOOKS.register_module()
class InvalidNumbersHook(Hook):
    """Stop at a loss that is NaN or infinite; log each step that fp16's loss scaling skips.

    MMEngine clips gradients: ``optim_wrapper.clip_grad``.

    Raises:
        InvalidLossError: naming iteration, learning rate and the batch's videos. The checkpoints
            of earlier iterations are sound.
    """

    priority = "ABOVE_NORMAL"  # before the schedulers and checkpoints of the same iteration
    _overflows = 0

    def before_train(self, runner: Runner) -> None:
        """Have samples carry their paths; take up the loss scale."""
        for dataset in unwrapped(runner.train_dataloader.dataset):
            for step in dataset.pipeline.transforms:
                if isinstance(step, PackActionInputs):
                    step.meta_keys = (*step.meta_keys, "filename", "frame_dir")
        start_workers_late(runner)
        self._scaler = getattr(runner.optim_wrapper, "loss_scaler", None)
        self._scale = self._scaler.get_scale() if self._scaler else math.inf

    def after_train_iter(
        self, runner: Runner, data_batch: dict, outputs: dict, **_: object
    ) -> None:
        """Look at the loss and at the loss scale."""
        losses = {name: torch.as_tensor(v).sum() for name, v in outputs.items() if "loss" in name}
        if wrong := {name: v.item() for name, v in losses.items() if not v.isfinite()}:
            samples = data_batch["data_samples"]
            paths = [str(s.get("filename", s.get("frame_dir", "unknown"))) for s in samples]
            rates = runner.optim_wrapper.get_lr()["lr"]
            raise InvalidLossError(
                f"{wrong} in iteration {runner.iter + 1} (epoch {runner.epoch + 1}) at learning "
                f"rate {max(rates):g}. Videos of this batch: {', '.join(paths)}. Look at them, "
                "lower the learning rate or set optim_wrapper.clip_grad; checkpoints saved before "
                "are sound."
            )
        if self._scaler is not None:
            scale = self._scaler.get_scale()
            if scale < self._scale:
                self._overflows += 1
                runner.logger.warning(
                    f"fp16 overflow in iteration {runner.iter + 1}: step left out, loss scale now "
                    f"{scale:g} ({self._overflows} so far)"
                )
            self._scale = scale
            runner.message_hub.update_scalar("train/loss_scale", scale)
