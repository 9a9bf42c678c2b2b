"""Test a checkpoint on datasets of several sizes: `evaluate_sizes.py CONFIG CHECKPOINT OUT`.

Writes OUT/SIZE.pkl (predictions) and OUT/SIZE.json (accuracies). Batches of 3 videos divide none
of the sizes.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from mmengine.dist import is_main_process

from f4d_mmaction.engine.launch import build_runner, load_config, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("out", type=Path)
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--launcher", default="none")
    args = parser.parse_args()
    for size in args.sizes:
        config = load_config(args.config, str(args.out / "logs"), {}, args.launcher)
        config.load_from = args.checkpoint
        config.experiment_name = f"size{size}"
        config.test_dataloader.update(batch_size=3, num_workers=0, persistent_workers=False)
        dataset = config.test_dataloader.dataset
        lines = Path(dataset.ann_file).read_text().splitlines()
        dataset.ann_file = str(args.out / f"{size}_{os.getpid()}.txt")
        repeated = [lines[number % len(lines)] for number in range(size)]
        Path(dataset.ann_file).write_text("\n".join(repeated) + "\n")
        dump = dict(type="DumpResults", out_file_path=str(args.out / f"{size}.pkl"))
        config.test_evaluator = [config.test_evaluator, dump]
        metrics = build_runner(config).test()
        if is_main_process():
            (args.out / f"{size}.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    run(main)
