"""The accuracy that a run reports, against its own predictions."""

from collections.abc import Sequence

from mmaction.structures import ActionDataSample
from mmengine.hooks import Hook
from mmengine.runner import Runner


class Outcomes(Hook):
    """Keeps whether each prediction was right: ``runner.register_hook(Outcomes())``."""

    def __init__(self) -> None:
        self.right: list[bool] = []

    def before_val_epoch(self, runner: Runner) -> None:
        self.right.clear()

    def before_test_epoch(self, runner: Runner) -> None:
        self.right.clear()

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[ActionDataSample] | None = None,
        mode: str = "train",
    ) -> None:
        if mode != "train":
            self.right += [s.pred_score.argmax().item() == s.gt_label.item() for s in outputs]

    @property
    def accuracy(self) -> float:
        """Share of right predictions in the last validation or test."""
        return sum(self.right) / len(self.right)
