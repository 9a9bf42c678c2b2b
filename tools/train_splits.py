"""Train and test a config of UCF101 or HMDB51 on every split and report the mean.

The same command goes on where an interrupted one stopped: a split that is done is not run again,
one that was cut off goes on from its last checkpoint. The network of the last epoch is tested.
"""

import argparse
import json
import os
import re
import statistics
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import print_log

from command_line import add_common_arguments, scale_peaks, use_mixed_precision
from f4d_mmaction.datasets.unwrapping import unwrapped
from f4d_mmaction.engine.launch import ConfigError, build_runner, load_config, resume, run
from frame_sizes import require_one_size
from missing_files import require_files

METRICS = "metrics.json"
BEGUN = "begun_with.py"
SPLIT = re.compile(r"(_split_?)\d+(?=[._])")  # train_split1.txt, or MMAction2's ..._split_1_...


def train_splits(config: Config, splits: Sequence[int]) -> dict:
    """Train and test on each split after the other, in a folder of its own below ``work_dir``.

    The config is of one split; its lists are named ``..._split1.txt`` or the like.

    Returns:
        ``mean`` and ``spread`` (sample standard deviation) of each metric, and ``splits``, the
        metrics by split; also written to ``metrics.json`` in ``config.work_dir``.

    Raises:
        ConfigError: a list is not of one split, or a split was begun with another config.
        FileNotFoundError: what any split needs is missing; none was trained.
    """
    configs = {split: of_split(config, split) for split in splits}
    begun_with = {split: make_ready(configs[split]) for split in splits}  # before days of training
    found = {str(split): train_and_test(configs[split], begun_with[split]) for split in splits}
    names = dict.fromkeys(name for metrics in found.values() for name in metrics)
    # Only a kind of bad videos that a split does not have is missing.
    columns = {name: [metrics.get(name, 0.0) for metrics in found.values()] for name in names}
    several = len(found) > 1
    result: dict = dict(
        mean={name: statistics.fmean(values) for name, values in columns.items()},
        spread={n: statistics.stdev(values) if several else None for n, values in columns.items()},
        splits=found,
    )
    write(Path(config.work_dir) / METRICS, as_json(result))
    for name, mean in result["mean"].items():
        print_log(f"{name}: {mean:.4f}, mean of splits {', '.join(found)}", "current")
    return result


def of_split(config: Config, split: int) -> Config:
    """Return the config for another split: its lists, and a work folder of its own.

    Raises:
        ConfigError: a list is not of one split.
    """
    config = deepcopy(config)
    for subset in ("train", "val", "test"):
        for dataset in unwrapped(config[f"{subset}_dataloader"].dataset):
            name, changed = SPLIT.subn(rf"\g<1>{split}", dataset["ann_file"])
            if not changed:
                raise ConfigError(
                    f"{name} is not the list of one split; expected a name such as "
                    "train_split1.txt, as tools/data/prepare.py gives it for ucf101 and hmdb51"
                )
            dataset["ann_file"] = name
    config.work_dir = str(Path(config.work_dir) / f"split{split}")
    return config


def make_ready(config: Config) -> str | None:
    """Look for what a split needs and where it goes on; return its config, None if it is done."""
    done, begun = (Path(config.work_dir) / name for name in (METRICS, BEGUN))
    text = without_place(config)
    if begun.is_file() and begun.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{config.work_dir} was begun with another config, seed or option, see {begun}: give "
            "another --work-dir, or delete that folder"
        )
    if done.is_file():
        return None
    resume(config, "auto")
    phases = ["train", "val", "test"]
    require_files(config, phases)
    require_one_size(config, phases)
    return text


def train_and_test(config: Config, begun_with: str | None) -> dict[str, float]:
    done = Path(config.work_dir) / METRICS
    if begun_with is None:
        print_log(f"kept, not run again: {done}", "current")
        return json.loads(done.read_text(encoding="utf-8"))
    runner = build_runner(config)  # from here on, all processes know the main one
    write(Path(config.work_dir) / BEGUN, begun_with)
    scale_peaks(runner)
    runner.train()
    found = runner.test_loop.run()  # in runner.test(), EMAHook's average would begin anew
    runner.call_hook("after_run")
    metrics = {name: float(value) for name, value in found.items() if not getattr(value, "ndim", 0)}
    write(done, as_json(metrics))
    return metrics


def without_place(config: Config) -> str:
    """Show all of a config but where it is trained and how its processes are started."""
    config = deepcopy(config)
    for name in ("work_dir", "launcher"):
        config.pop(name, None)
    return config.pretty_text


def as_json(metrics: dict) -> str:
    return json.dumps(metrics, indent=1) + "\n"


def write(path: Path, text: str) -> None:
    """Write a file that appears whole; where nothing was trained, several processes may."""
    if is_main_process():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--splits", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--amp", action="store_true", help="mixed precision (bf16 on the CPU)")
    parser.add_argument("--seed", type=int)
    add_common_arguments(parser)
    args = parser.parse_args()
    try:
        config = load_config(args.config, args.work_dir, args.cfg_options, args.launcher)
        if args.amp:
            use_mixed_precision(config)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if args.seed is not None:
        config.randomness = dict(seed=args.seed)
    run(lambda: train_splits(config, args.splits))


if __name__ == "__main__":
    main()
