"""Train F4D and SlowOnly on the shipped benchmark, test both, show a table and a picture."""

import argparse
import os
import sys
from pathlib import Path

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.quickstart import run_quickstart
from f4d_mmaction.analysis.sweep import Study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="V4D, TSN and TSM as well")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each training")
    args = parser.parse_args()
    os.chdir(Path(__file__).resolve().parents[1])  # configs and data are named from there
    study = Study.load("docs/experiments/quickstart.py")
    rows = list(study.rows) if args.all else ["f4d", "slowonly"]
    failed = run_quickstart(study, rows, args.threads)
    folder = study.results.parent.resolve()
    print(f"\n{study.document.read_text()}\n(chance is 12.5%; work_dirs: {folder})")
    print(f"Picture: {(folder / 'quickstart.png').resolve()}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
