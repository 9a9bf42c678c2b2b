"""Train on a dataset and on a copy in which a tenth of the videos is bad, and compare.

Exits with 1 unless both reach the same accuracy within noise, exactly the bad videos are reported,
and the test stops at them or counts them as asked.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from phase_order import options_of

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.bad_video_trial import make_datasets, try_bad_videos
from f4d_mmaction.engine.launch import load_config


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for data, logs and checkpoints")
    parser.add_argument("--config", default="configs/recognition/f4d/f4d_r18_phase_order.py")
    parser.add_argument("--train", type=int, default=400, help="training videos")
    parser.add_argument("--test", type=int, default=160, help="test videos")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--share", type=float, default=0.1, help="of bad videos")
    parser.add_argument("--time-limit", type=float, default=2.0, help="seconds for one video")
    parser.add_argument("--seed", type=int, default=0, help="of both trainings")
    args = parser.parse_args()
    try:
        options = options_of("easy", num_train=args.train, num_test=args.test)
        config = load_config(args.config, None, {"randomness": {"seed": args.seed}}, "none")
        injected = make_datasets(args.folder, options, args.share)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    trial = try_bad_videos(config, args.folder, injected, args.epochs, args.time_limit)
    print(trial.to_markdown())
    return 0 if all(trial.checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
