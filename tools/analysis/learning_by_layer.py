"""Watch how each 4D block begins to learn: train a config for some epochs and print a table.

A row is a block after an epoch; epoch 0 is untrained. On one batch of the validation set: how large
the block's branch is beside its input, and its gain, the product of 1 + map over its attention
(mean, and standard deviation over frames, channels and pixels). Over the steps of the epoch: the
root mean square of the gradient's norm beside the norm of the weights.
"""

import argparse
import math
import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import torch
from mmengine.config import DictAction
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn

from f4d_mmaction.analysis.report import markdown_table
from f4d_mmaction.engine.launch import ConfigError, build_runner, load_config, run

TRUNK = "trunk and head"
HEADER = "epoch", "block", "branch / input", "gain", "its deviation", "gradient / weight"
NEVER = 10**9


class LayerWatch(Hook):
    """Collects the rows, and ends the training after some epochs of the config's plan."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.rows: list[list[str]] = []
        self.scale: Callable[[], float] = lambda: 1.0  # of the loss, and so of gradients
        self.squares: dict[str, list[float]] = defaultdict(list)

    def before_train(self, runner: Runner) -> None:
        self.batch = next(iter(runner.val_dataloader))
        scaler = getattr(runner.optim_wrapper, "loss_scaler", None)  # of mixed precision
        self.scale = scaler.get_scale if scaler else self.scale
        if not getattr(runner.model.backbone, "blocks4d", None):
            raise ConfigError("the network has no 4D blocks to look at")
        for name, weight in runner.model.named_parameters():
            if weight.requires_grad:
                weight.register_hook(partial(self.keep_gradient, block_of(name)))
        self.steps = 0
        self.look(runner.model, 0)

    def keep_gradient(self, block: str, gradient: Tensor) -> None:
        square = float((gradient / self.scale()).square().sum())
        if math.isfinite(square):  # else the scaler skips the step
            self.squares[block].append(square)

    def after_train_iter(self, *args: object, **kwargs: object) -> None:
        self.steps += 1

    def after_train_epoch(self, runner: Runner) -> None:
        self.look(runner.model, runner.epoch + 1)
        runner.train_loop.stop_training = runner.epoch + 1 >= self.epochs

    @torch.no_grad()
    def look(self, model: BaseModel, epoch: int) -> None:
        weights: dict[str, float] = defaultdict(float)
        branches: dict[str, float] = {}
        for name, weight in model.named_parameters():
            weights[block_of(name)] += float(weight.square().sum())

        def keep_branch(name: str, _: nn.Module, args: tuple[Tensor, ...], y: Tensor) -> None:
            branches[name] = float((y - args[0]).norm() / args[0].norm())

        blocks = model.backbone.blocks4d
        hooks = [b.register_forward_hook(partial(keep_branch, n)) for n, b in blocks.items()]
        maps: dict[str, dict[str, Tensor]] = {}
        model.eval()
        inputs = model.data_preprocessor(self.batch)["inputs"]
        model.backbone(inputs.flatten(0, 1), maps)  # views become videos
        model.train()
        for hook in hooks:
            hook.remove()
        for name in (*blocks, TRUNK):
            row = [str(epoch), name, "", "", "", ""]
            if name in blocks:
                gain = torch.ones(1)
                for found in maps[name].values():
                    gain = gain * (1 + found.cpu())
                deviation = float(gain.std(correction=0))
                row[2:5] = f"{branches[name]:.3f}", f"{float(gain.mean()):.2f}", f"{deviation:.3f}"
            if self.steps:
                gradient = (sum(self.squares[name]) / self.steps / weights[name]) ** 0.5
                row[5] = f"{gradient:.4f}"
            self.rows.append(row)
        self.squares.clear()
        self.steps = 0


def block_of(parameter: str) -> str:
    """Location of the block that a parameter is of: ``backbone.blocks4d.layer1_1.conv ...``."""
    _, found, rest = parameter.partition("blocks4d.")
    return rest.split(".")[0] if found else TRUNK


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("--epochs", type=int, default=8, help="end after them; the plan stays")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={}, metavar="K=V")
    args = parser.parse_args()
    try:
        config = load_config(args.config, None, args.cfg_options, "none")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    config.train_cfg.update(val_begin=NEVER, val_interval=NEVER)
    watch = LayerWatch(args.epochs)
    with tempfile.TemporaryDirectory() as config.work_dir:
        runner = build_runner(config)
        runner.register_hook(watch)
        run(runner.train)
    print(markdown_table(HEADER, watch.rows))


if __name__ == "__main__":
    main()
