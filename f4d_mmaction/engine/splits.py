"""Training and testing on every split of a dataset, and the mean (UCF101, HMDB51)."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import print_log

from .launch import build_runner, resume

METRICS = "metrics.json"
_SPLIT = re.compile(r"(_split_?)\d+(?=[._])")  # train_split1.txt, or MMAction2's ..._split_1_...


def train_splits(config: Config, splits: Sequence[int] = (1, 2, 3)) -> dict:
    """Train and test on each split after the other; the last epoch's network is the one tested.

    Each split has a folder of its own below ``config.work_dir``. A split that is done is not run
    again and one that was cut off goes on from its last checkpoint, so that the same command
    finishes an interrupted run.

    Args:
        config: Of one split; its lists are named ``..._split1.txt`` or the like.
        splits: Numbers of the splits.

    Returns:
        ``mean`` and ``spread`` (sample standard deviation) of each metric, and ``splits``, the
        metrics by split; also written to ``metrics.json`` in ``config.work_dir``.

    Raises:
        ValueError: no splits, or a list that is not of one split.
    """
    if not splits:
        raise ValueError("train_splits needs at least one split")
    configs = {split: of_split(config, split) for split in splits}
    found = {str(split): _train_and_test(configs[split]) for split in splits}
    names = list(next(iter(found.values())))
    columns = {name: [metrics[name] for metrics in found.values()] for name in names}
    result = dict(
        mean={name: statistics.fmean(values) for name, values in columns.items()},
        spread={name: _spread(values) for name, values in columns.items()},
        splits=found,
    )
    _write(Path(config.work_dir) / METRICS, result)
    for name, mean in result["mean"].items():
        print_log(f"{name}: {mean:.4f}, mean of splits {', '.join(found)}", "current")
    return result


def of_split(config: Config, split: int) -> Config:
    """Return the config for another split: its lists, and a work folder of its own.

    Raises:
        ValueError: a list is not of one split.
    """
    config = deepcopy(config)
    for subset in ("train", "val", "test"):
        _name_split(config[f"{subset}_dataloader"].dataset, split)
    config.work_dir = str(Path(config.work_dir) / f"split{split}")
    return config


def _name_split(dataset: dict, split: int) -> None:
    """Change ``ann_file``, of the dataset or of those it wraps."""
    for inner in [dataset.get("dataset"), *dataset.get("datasets", [])]:
        if inner is not None:
            _name_split(inner, split)
    if "ann_file" in dataset:
        name, changed = _SPLIT.subn(rf"\g<1>{split}", dataset["ann_file"])
        if not changed:
            raise ValueError(
                f"{dataset['ann_file']} is not the list of one split; expected a name such as "
                "train_split1.txt, as tools/data/prepare.py gives it for ucf101 and hmdb51"
            )
        dataset["ann_file"] = name


def _train_and_test(config: Config) -> dict[str, float]:
    done = Path(config.work_dir) / METRICS
    if done.is_file():
        return json.loads(done.read_text(encoding="utf-8"))
    resume(config, "auto")
    runner = build_runner(config)
    runner.train()
    metrics = {name: float(value) for name, value in runner.test().items()}
    _write(done, metrics)
    return metrics


def _spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _write(path: Path, metrics: dict) -> None:
    if is_main_process():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
