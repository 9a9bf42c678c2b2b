"""Run a study: its configs one after another on the shipped benchmark, then its report.

Finished runs are kept and never repeated. `--limit-minutes 0` only writes the report anew.
"""

import argparse
import os
import sys
from pathlib import Path

from mmengine.config import DictAction
from studies import Study, sweep
from sweep_report import write_report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", help="such as docs/experiments/study.py")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="run these rows")
    parser.add_argument("--seeds", nargs="+", type=int, default=[], help="run these seeds")
    parser.add_argument(
        "--limit-minutes", type=float, default=float("inf"), help="start no run after that time"
    )
    parser.add_argument("--threads", type=int, default=1, help="of each run")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="K=V")
    args = parser.parse_args()
    try:
        study = Study.load(Path(args.study).resolve(), args.cfg_options)
        if not study.runnable:
            os.chdir(Path(__file__).resolve().parents[2])  # the shipped ones are named from there
        failed = sweep(study, args.only, args.seeds, args.limit_minutes, args.threads)
        write_report(study)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
