"""Check a prepared dataset before a long run; exit codes: 0 no problems, 1 problems, 2 usage."""

import argparse
import os
import sys
from pathlib import Path

from check_report import compare_with_published, summary, write
from dataset_check import check


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config whose datasets to look at")
    parser.add_argument(
        "--split", action="append", choices=("train", "val", "test"), help="default: all of them"
    )
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--sample", type=int, default=200, help="videos to decode of each subset")
    amount.add_argument("--all", action="store_true", help="decode every video")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--workers", type=int, default=cores, help="decoding processes")
    parser.add_argument("--time-limit", type=float, default=30.0, help="seconds for one video")
    parser.add_argument("--out", help="folder of report.json and durations.png")
    args = parser.parse_args()

    out = Path(args.out or f"work_dirs/check_{Path(args.config).stem}")
    sample = None if args.all else args.sample
    try:
        reports = check(args.config, args.split, sample, args.workers, args.time_limit)
        for report in reports:
            compare_with_published(report)
        write(args.config, reports, out)
    except (ValueError, TypeError, KeyError, SyntaxError, OSError) as error:
        parser.error(str(error))
    print(f"{summary(args.config, reports)}\nreport.json and durations.png in {out}")
    return 0 if all(report.ok for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
