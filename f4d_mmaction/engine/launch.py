"""Reading a config and building a Runner, for command lines that train and test."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from mmaction.registry import RUNNERS
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.distributed.elastic.multiprocessing.errors import record

from ..compat import init_gloo_without_cuda
from ..datasets.video_errors import BadVideoError
from ..models.weights import CheckpointError
from .checkpoints import check_resumable, last_good_checkpoint
from .hooks import InvalidLossError, TooManyBadVideosError
from .hooks.labels import LabelError
from .loops import EmptyEpochError, ResumeError


class ConfigError(ValueError):
    """A config from which no runner can be built."""


# User errors: printed as one line, without a traceback.
USER_ERRORS = (
    BadVideoError,
    CheckpointError,
    ConfigError,
    EmptyEpochError,
    FileNotFoundError,
    InvalidLossError,
    LabelError,
    ResumeError,
    TooManyBadVideosError,
)


def load_config(path: str, work_dir: str | None, options: dict, launcher: str) -> Config:
    """Read a config and apply what every command line can change.

    Raises:
        FileNotFoundError: there is no such config.
        ValueError: the config or an option does not fit.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"config {path} does not exist; configs lie under configs/")
    try:
        config = Config.fromfile(path)
        config.merge_from_dict(options)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} or --cfg-options {options} does not fit: {error}") from error
    config.launcher = launcher
    config.work_dir = work_dir or config.get("work_dir") or f"work_dirs/{Path(path).stem}"
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        loader = config.get(name)
        if isinstance(loader, dict) and loader.get("num_workers") == 0:
            loader["persistent_workers"] = False  # PyTorch refuses what is for workers
            loader.pop("prefetch_factor", None)
    return config


def resume(config: Config, checkpoint: str) -> None:
    """Set a run to continue from a checkpoint, or from the last good one of its folder.

    ``checkpoint`` is a path, or ``'auto'``: a run that has none yet starts as its config says.

    Raises:
        FileNotFoundError: there is no such checkpoint; ``ConfigError``: they are not in files.
        DamagedCheckpointError: it is damaged, or all in the folder are.
    """
    if checkpoint == "auto":
        hook = config.get("default_hooks", {}).get("checkpoint") or {}
        given, own = str(hook.get("out_dir") or ""), os.path.abspath(config.work_dir)
        last = Path(config.work_dir, "last_checkpoint")  # the host's, local in any case
        if "://" in given and last.is_file():
            raise ConfigError(f"--resume does not read {last.read_text()}: name a local copy")
        # The host adds the name to a folder that is another one.
        folder = Path(own) if given in ("", own) else Path(given, Path(own).name)
        found = last_good_checkpoint(folder, last)
        if found is None:
            print_log(f"nothing to resume in {folder}: starting anew", "current")
            return
        checkpoint = str(found)
    else:
        check_resumable(checkpoint)
    config.resume = True
    config.load_from = str(checkpoint)


def run(action: Callable[[], object]) -> None:
    """Run a tool's work; a user error ends it with one line (in torchrun's summary) and code 1."""
    try:
        record(action)()
    except USER_ERRORS as error:
        told = str(error)  # of a worker's error, PyTorch tells the traceback, too
        if told.startswith("Caught "):
            told = told.rstrip().rpartition("\n")[2].partition(": ")[2]
        raise SystemExit(f"{type(error).__name__}: {told}") from error
    except SystemExit as error:  # PreemptionHook
        _leave_gloo(error.code)
        raise
    _leave_gloo(0)


def _leave_gloo(code: object) -> None:
    """End a process of a gloo group: a thread of gloo that outlives Python would abort it.

    Destroying the group joins its threads unless something still holds it, such as a DDP model; so
    a process of torchrun ends here, without taking Python down. Not after an error, where work may
    be pending that waits for the other processes.
    """
    group = torch.distributed
    if not group.is_initialized() or group.get_backend() != "gloo":
        return
    group.destroy_process_group()
    if "TORCHELASTIC_RUN_ID" in os.environ and isinstance(code, int):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def build_runner(config: Config) -> Runner:
    """Build the Runner, over NCCL with CUDA, else over gloo; ``ConfigError`` if it cannot be."""
    if config.launcher != "none":
        init_gloo_without_cuda(config)
    try:
        return RUNNERS.build(config) if "runner_type" in config else Runner.from_cfg(config)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{config.filename}: {error}") from error
