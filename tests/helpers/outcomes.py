"""The accuracy that a run reports, against its own predictions."""

from collections.abc import Sequence

from mmaction.structures import ActionDataSample
from mmengine.hooks import Hook
from mmengine.runner import Runner


class Outcomes(Hook):
    """Keeps whether each prediction was right: ``runner.register_hook(Outcomes())``."""

    def before_val_epoch(self, runner: Runner) -> None:
        self.right: list[bool] = []

    def after_val_iter(
        self, *args: object, outputs: Sequence[ActionDataSample], **kwargs: object
    ) -> None:
        self.right += [s.pred_score.argmax().item() == s.gt_label.item() for s in outputs]

    before_test_epoch, after_test_iter = before_val_epoch, after_val_iter

    @property
    def accuracy(self) -> float:
        """Share of right predictions in the last validation or test."""
        return sum(self.right) / len(self.right)
