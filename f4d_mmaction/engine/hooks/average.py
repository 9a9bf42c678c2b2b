"""A moving average of the weights that is the same in all processes."""

from mmaction.registry import HOOKS
from mmengine.dist import all_reduce_params
from mmengine.hooks import EMAHook
from mmengine.runner import IterBasedTrainLoop, Runner


@HOOKS.register_module()
class SyncedEMAHook(EMAHook):
    """MMEngine's EMAHook, with batch statistics averaged over the processes.

    The host does so for the network alone: each process would validate another average, and the
    checkpoint would hold that of the first. In loops over iterations all but the best checkpoint
    still do: they are saved before the validation.
    """

    def after_train_epoch(self, runner: Runner) -> None:
        """Average the buffers of the moving average."""
        all_reduce_params(self.ema_model.module.buffers(), op="mean")

    def before_val_epoch(self, runner: Runner) -> None:
        """Do so in loops over iterations, too, whose epoch ends with the training."""
        if isinstance(runner._train_loop, IterBasedTrainLoop):
            self.after_train_epoch(runner)
        super().before_val_epoch(runner)
