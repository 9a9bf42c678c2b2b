"""What the command lines of training and testing share."""

import argparse
import copy
import os
from collections.abc import Iterator

import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that training and testing share, named as MMAction2 names them."""
    if place := os.environ.get("OMPI_COMM_WORLD_LOCAL_RANK"):
        os.environ.setdefault("LOCAL_RANK", place)  # which MMEngine reads, whatever the launcher
    parser.add_argument("--work-dir", help="where logs, checkpoints and results go")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        default={},
        metavar="KEY=VALUE",
        help="override settings of the config, e.g. train_cfg.max_epochs=2 or "
        'model.backbone.placement="[0,1,0,0]"',
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def use_mixed_precision(config: Config) -> None:
    """Train in mixed precision: fp16 with loss scaling on CUDA, bf16 autocast on the CPU.

    Raises:
        ValueError: the config already uses another kind of optimizer wrapper.
    """
    kind = config.optim_wrapper.get("type", "OptimWrapper")
    if kind not in ("OptimWrapper", "AmpOptimWrapper", "BFloat16OptimWrapper"):
        raise ValueError(f"--amp cannot change optim_wrapper.type={kind!r}; set it in the config")
    if torch.cuda.is_available() and kind != "BFloat16OptimWrapper":
        config.optim_wrapper.type = "AmpOptimWrapper"
        config.optim_wrapper.setdefault("loss_scale", "dynamic")
    else:
        config.optim_wrapper.type = "BFloat16OptimWrapper"
        for key in ("loss_scale", "dtype"):  # of AmpOptimWrapper alone
            config.optim_wrapper.pop(key, None)


def scale_peaks(runner: Runner) -> None:
    """Scale what OneCycleLR rises to: it replaces the optimizer's rate, which the host scales."""
    scaling = runner.cfg.get("auto_scale_lr") or {}
    if scaling.get("enable"):
        videos = runner.world_size * runner.cfg.train_dataloader.batch_size
        runner.param_schedulers = copy.deepcopy(runner.param_schedulers)  # also the config's
        for scheduler in one_cycles(runner.param_schedulers):
            scheduler["eta_max"] *= videos / scaling["base_batch_size"]


def one_cycles(schedulers: dict | list | None) -> Iterator[dict]:
    """Configs with a peak: of one scheduler, a list, or both by the names of optimizers."""
    if isinstance(schedulers, dict) and "type" in schedulers:
        yield from [schedulers] if "eta_max" in schedulers else []
    elif schedulers:
        for part in schedulers.values() if isinstance(schedulers, dict) else schedulers:
            yield from one_cycles(part)
