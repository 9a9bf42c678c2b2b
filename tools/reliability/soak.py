"""Read videos and train for long, and tell whether memory and open files stay flat."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from phase_order import generate, options_of

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.soak import (
    Growth,
    good_and_bad_videos,
    soak_decoding,
    soak_training,
    to_markdown,
)
from f4d_mmaction.engine.launch import load_config


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for data, logs and checkpoints")
    parser.add_argument("--config", default="configs/recognition/f4d/f4d_r18_phase_order.py")
    parser.add_argument("--decodes", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=500, help="of training")
    args = parser.parse_args()
    data = args.folder / "data"
    try:
        config = load_config(args.config, str(args.folder / "run"), {}, "none")
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.dataset.ann_file = str(data / Path(loader.dataset.ann_file).name)
        loader.dataset.data_prefix.video = str(data)
        loader.dataset.metainfo = dict(classes=str(data / "classes.txt"))
        loader.batch_size = 4
    generate(data, options_of("easy", num_train=80, num_test=16, num_frames=32, size=32))
    growths = {
        f"{args.decodes} videos read": Growth.over(
            soak_decoding(sorted(data.glob("*/*.mp4")), args.decodes)
        ),
        f"{args.decodes} videos tried, 30 % of them bad": Growth.over(
            soak_decoding(good_and_bad_videos(args.folder / "mixed"), args.decodes)
        ),
        f"{args.steps} steps of training": Growth.over(soak_training(config, args.steps)),
    }
    print(to_markdown(growths))
    return 0 if all(growth.flat for growth in growths.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
