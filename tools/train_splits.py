"""Train and test a config of UCF101 or HMDB51 on every split and report the mean.

The same command goes on where an interrupted one stopped.
"""

import argparse

from f4d_mmaction.engine.launch import (
    add_common_arguments,
    load_config,
    run,
    use_mixed_precision,
)
from f4d_mmaction.engine.splits import train_splits


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
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    if args.seed is not None:
        config.randomness = dict(seed=args.seed)
    run(lambda: train_splits(config, args.splits))


if __name__ == "__main__":
    main()
