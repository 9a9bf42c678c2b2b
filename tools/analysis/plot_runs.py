"""Plot training and validation error of runs side by side, as the paper's Fig. 4."""

import argparse
from pathlib import Path

from f4d_mmaction.visualization import plot_runs, read_errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work_dirs", nargs="+", metavar="[NAME=]WORK_DIR")
    parser.add_argument("--out", default="runs.png", help="the picture (.png, .svg, .pdf)")
    args = parser.parse_args()

    named = [run.split("=", 1) if "=" in run else (Path(run).name, run) for run in args.work_dirs]
    try:
        names = [name for name, _ in named]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"runs share the name {', '.join(repeated)}: give NAME=WORK_DIR")
        print(plot_runs({name: read_errors(folder) for name, folder in named}, args.out))
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
