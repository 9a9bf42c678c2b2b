"""Test what the choices of attention are worth: replace each map by its mean over the video.

A flat attention still scales the features, by one factor a video, but prefers no unit, frame,
channel or pixel. The rows are the network as trained, each kind of attention flat, and all of them.
What a row loses is what those choices are worth; the test set and its metrics are the config's.
"""

import argparse
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial

from mmengine.config import DictAction
from torch import Tensor, nn

from f4d_mmaction.analysis.report import markdown_table
from f4d_mmaction.engine.launch import ConfigError, build_runner, load_config, run
from f4d_mmaction.models.f4d import Attention
from f4d_mmaction.models.weights import load_checked


def kinds_of(network: nn.Module) -> list[str]:
    """Class names of the network's attention, in their order; ``ConfigError`` if it has none."""
    kinds = dict.fromkeys(type(m).__name__ for m in network.modules() if isinstance(m, Attention))
    if not kinds:
        raise ConfigError("no block of this network has attention")
    return list(kinds)


@contextmanager
def flat(network: nn.Module, kinds: Collection[str]) -> Iterator[None]:
    """Give the maps of these kinds one value a video while the context lasts."""

    def flatten(weights: Callable[[Tensor, Tensor], Tensor], *pools: Tensor) -> Tensor:
        found = weights(*pools)
        return found.mean((1, 2, 3, 4, 5), keepdim=True).expand_as(found)

    chosen = [m for m in network.modules() if isinstance(m, Attention)]
    chosen = [module for module in chosen if type(module).__name__ in kinds]
    for module in chosen:
        module.weights = partial(flatten, module.weights)
    try:
        yield
    finally:
        for module in chosen:
            del module.weights


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={}, metavar="K=V")
    args = parser.parse_args()
    try:
        config = load_config(args.config, None, args.cfg_options, "none")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    config.load_from = args.checkpoint
    rows: dict[str, dict[str, float]] = {}

    def test() -> None:
        load_checked(args.checkpoint)
        runner = build_runner(config)
        kinds = kinds_of(runner.model)
        each = {f"{kind} flat": [kind] for kind in kinds}
        for name, chosen in {"as trained": [], **each, "all flat": kinds}.items():
            with flat(runner.model, chosen):
                rows[name] = runner.test()

    with tempfile.TemporaryDirectory() as config.work_dir:
        run(test)
    names = [*rows["as trained"]]
    values = [[row, *(f"{metrics[name]:.4f}" for name in names)] for row, metrics in rows.items()]
    print(markdown_table(["", *names], values))


if __name__ == "__main__":
    main()
