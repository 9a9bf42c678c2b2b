"""Train a recognizer from a config: `python tools/train.py CONFIG`, as MMAction2's own tool."""

import argparse
import os
from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from command_line import add_common_arguments, scale_peaks, use_mixed_precision
from f4d_mmaction.engine.launch import build_runner, load_config, resume, run
from frame_sizes import require_one_size
from missing_files import require_files


class WarnOnly(Hook):
    """Warn of algorithms that are not deterministic; the host ends a run that meets one.

    Before the first step: a run that goes on takes its seed, and that setting, from its checkpoint.
    """

    def before_train(self, runner: Runner) -> None:
        """Let PyTorch warn only."""
        torch.use_deterministic_algorithms(True, warn_only=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from the checkpoint, or from the last good one of the work directory, if any",
    )
    parser.add_argument("--amp", action="store_true", help="mixed precision (bf16 on the CPU)")
    parser.add_argument("--no-validate", action="store_true", help="train without validating")
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate with the batch size, from auto_scale_lr.base_batch_size",
    )
    randomness = parser.add_argument_group("randomness", argument_default=argparse.SUPPRESS)
    randomness.add_argument("--seed", type=int)
    randomness.add_argument("--diff-rank-seed", action="store_true", help="one of its own per rank")
    randomness.add_argument(
        "--deterministic",
        action="store_true",
        help="algorithms whose results repeat, and a warning where PyTorch has none",
    )
    add_common_arguments(parser)
    parser.add_argument(
        "--only-check", action="store_true", help="say whether data or weights are missing, and end"
    )
    args = parser.parse_args()

    if args.resume not in (None, "auto") and not Path(args.resume).is_file():
        parser.error(f"--resume {args.resume}: there is no such checkpoint")
    try:
        config = load_config(args.config, args.work_dir, args.cfg_options, args.launcher)
        if args.amp:
            use_mixed_precision(config)
        if args.auto_scale_lr and "auto_scale_lr" not in config:
            raise ValueError("--auto-scale-lr needs auto_scale_lr.base_batch_size in the config")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if args.no_validate:
        config.val_cfg = config.val_dataloader = config.val_evaluator = None
    if args.auto_scale_lr:
        config.auto_scale_lr.enable = True
    names = ("seed", "diff_rank_seed", "deterministic")
    given = {name: value for name, value in vars(args).items() if name in names}
    config.randomness = {"seed": None, **config.get("randomness", {}), **given}

    def train() -> None:
        if args.resume:  # which replaces load_from
            resume(config, args.resume)
        phases = ["train"] if args.no_validate else ["train", "val"]
        require_files(config, phases)
        require_one_size(config, phases)
        if args.only_check:
            return
        runner = build_runner(config)
        if config.randomness.get("deterministic"):
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read at the first product
            runner.register_hook(WarnOnly())
        scale_peaks(runner)
        runner.train()

    run(train)


if __name__ == "__main__":
    main()
