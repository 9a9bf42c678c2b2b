"""What a run does on SIGTERM (from Slurm, torchrun, or a cloud's spot machine)."""

import os
import signal
import threading
from collections.abc import Callable
from functools import partial

import torch
from mmaction.registry import HOOKS
from mmengine.dist import all_reduce, barrier, is_distributed
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from ..loops import start_workers_late
from .checkpoint import SafeCheckpointHook

EXIT_CODE = 128 + signal.SIGTERM


@HOOKS.register_module()
class PreemptionHook(Hook):
    """On SIGTERM, save at the next iteration and exit with code 143.

    All processes stop at the same iteration, whichever of them got the signal. A run started again
    with ``--resume`` goes on at that iteration. During validation the checkpoint of the epoch is
    there already, and the run exits at once.

    Raises:
        TypeError: the run has no ``SafeCheckpointHook``.
    """

    priority = "LOWEST"  # after the schedulers and the checkpoints of the same iteration
    _asked = False

    def before_train(self, runner: Runner) -> None:
        """Install the handlers of SIGTERM, here and in the workers."""
        savers = [hook for hook in runner.hooks if isinstance(hook, SafeCheckpointHook)]
        if not savers:
            raise TypeError(
                "PreemptionHook saves through default_hooks.checkpoint.type='SafeCheckpointHook'"
            )
        if type(runner.train_loop) is EpochBasedTrainLoop:
            runner.logger.warning(
                "A run that goes on after SIGTERM repeats the part of the epoch that it had done; "
                "train_cfg.type='ResumableEpochLoop' goes on inside the epoch"
            )
        self._saver = savers[0]
        self._former = signal.getsignal(signal.SIGTERM)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._ask)
        loops = [runner.train_loop] + ([runner.val_loop] if runner.val_loop else [])
        for loader in (loop.dataloader for loop in loops):
            loader.worker_init_fn = partial(_outlive_sigterm, then=loader.worker_init_fn)
        start_workers_late(runner)

    def after_train(self, runner: Runner) -> None:
        """Restore the previous handler of SIGTERM."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._former)

    def after_train_iter(self, runner: Runner, **_: object) -> None:
        """Save and exit if any process got SIGTERM, once accumulated gradients are applied."""
        if not self._anyone_asked(runner) or not runner.optim_wrapper.should_update():
            return
        path = self._saver.save_preempted(runner)
        barrier()  # the launcher kills the others once one process is gone
        runner.logger.warning(f"SIGTERM: saved {path}; start again with --resume to go on")
        raise SystemExit(EXIT_CODE)

    def after_val_iter(self, runner: Runner, **_: object) -> None:
        """Exit if this epoch is saved; otherwise training will."""
        saved = self._asked and self._saver.filename_tmpl.format(runner.epoch)
        if saved and str(self._saver.last_ckpt).endswith(saved):
            runner.logger.warning("SIGTERM during validation: start again with --resume to go on")
            raise SystemExit(EXIT_CODE)

    def _ask(self, *_: object) -> None:
        self._asked = True

    def _anyone_asked(self, runner: Runner) -> bool:
        if not is_distributed():
            return self._asked
        asked = torch.tensor(int(self._asked), device=next(runner.model.parameters()).device)
        all_reduce(asked, op="max")
        return bool(asked)


def _outlive_sigterm(worker_id: int, then: Callable[[int], None] | None) -> None:
    """Let only the parent end this worker: Slurm and torchrun signal all processes of a job."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
    if then is not None:
        then(worker_id)
