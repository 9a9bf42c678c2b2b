"""Atomic, resumable checkpoints, and the refusal of weights of another network."""

from pathlib import Path

from mmaction.registry import HOOKS
from mmengine.dist import all_gather_object, is_distributed, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn

from ...models.weights import check_fits_partly, load_whole

PREEMPTED = "preempted.pth"


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's CheckpointHook, with files that are whole or not there.

    Takes the arguments of ``CheckpointHook``. Local checkpoints are written atomically. Those
    saved inside an epoch (``by_epoch=False``) hold the batch statistics of every process, which
    MMEngine averages only when an epoch ends. Loaded checkpoints have to fit the network: whole
    for tests and resumed runs, in part for those that start from other weights.

    Raises:
        ValueError: ``max_keep_ckpts=1``, which would delete the only checkpoint before the next
            is written.
        ForeignCheckpointError: from loading a checkpoint of another network.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        if self.max_keep_ckpts == 1:
            raise ValueError(
                "max_keep_ckpts=1 deletes the only checkpoint before the next one is written; "
                "keep 2 or more"
            )
        given = self.backend_args is not None or self.file_client_args is not None
        if not given and "://" not in str(self.out_dir):
            self.backend_args: dict | None = dict(backend="atomic")
        self._buffers: list[dict] | None = None

    def before_train(self, runner: Runner) -> None:
        """Find the folder, and remove partial files of killed processes."""
        super().before_train(runner)
        self.last_ckpt = runner.message_hub.get_info("last_ckpt", None)
        if is_main_process() and Path(self.out_dir).is_dir():
            for part in Path(self.out_dir).glob("*.pth.part"):
                part.unlink()

    def after_val_epoch(self, runner: Runner, metrics: dict) -> None:
        """Note in the checkpoint of the best result that its epoch is validated."""
        runner.message_hub.update_info("epoch_validated", runner.epoch)
        super().after_val_epoch(runner, metrics)

    def save_preempted(self, runner: Runner) -> str:
        """Save between two iterations of an epoch; returns the path."""
        self._gather_buffers(runner)
        meta = dict(epoch=runner.epoch, iter=runner.iter + 1)
        runner.save_checkpoint(
            self.out_dir, PREEMPTED, meta=meta, by_epoch=False, backend_args=self.backend_args
        )
        path = self.file_backend.join_path(self.out_dir, PREEMPTED)
        if is_main_process():  # where the host's own tools look
            Path(runner.work_dir, "last_checkpoint").write_text(path)
        return path

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        self._gather_buffers(runner)
        super()._save_checkpoint_with_step(runner, step, meta)
        if is_main_process() and "://" not in str(self.out_dir):
            (Path(self.out_dir) / PREEMPTED).unlink(missing_ok=True)

    def _gather_buffers(self, runner: Runner) -> None:
        if is_distributed():
            buffers, kept = network_of(runner).named_buffers(), network_of(runner).state_dict()
            own = {name: value.cpu() for name, value in buffers if name in kept}
            self._buffers = all_gather_object(own)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the buffers of every process."""
        if self._buffers is not None:
            checkpoint["rank_buffers"] = self._buffers

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse a checkpoint of another network; take this process's own buffers."""
        training = isinstance(runner._train_loop, BaseLoop)
        resuming = training and runner._resume
        weights, name = checkpoint.get("state_dict", checkpoint), runner._load_from or "the file"
        if training and not resuming:
            check_fits_partly(network_of(runner), weights, name)
        else:  # the host lists weights that the network does not know
            load_whole(network_of(runner), checkpoint, name, others=True)
        buffers = checkpoint.get("rank_buffers", [])
        if resuming and len(buffers) == runner.world_size:
            weights.update(buffers[runner.rank])


def network_of(runner: Runner) -> nn.Module:
    """Return the runner's model without the wrapper of distributed training."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
