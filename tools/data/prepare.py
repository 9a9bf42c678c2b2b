"""Build MMAction2 annotation lists from a dataset's official annotation files."""

import argparse
import sys
from pathlib import Path

from dataset_facts import DATASETS
from preparation import PreparationError, prepare
from problem_lists import problem_lines


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=DATASETS, metavar="DATASET", help=", ".join(DATASETS))
    parser.add_argument("--annotations", required=True, help="folder of the official files")
    parser.add_argument("--media", required=True, help="folder of the videos or frame folders")
    parser.add_argument("--out", required=True, help="folder for the lists")
    parser.add_argument("--split", type=int, help="1, 2 or 3 (ucf101 and hmdb51; default 1)")
    parser.add_argument(
        "--strict", action="store_true", help="refuse when a video is missing or incomplete"
    )
    parser.add_argument(
        "--delimiter", default=" ", help="between name and label; needed where names hold blanks"
    )
    parser.add_argument("--classes", help="class names in label order, one a line")
    parser.add_argument("--report", help="write every problem to this file, also when refused")
    return parser.parse_args()


def main() -> int:
    args = vars(parse_args())
    report = args.pop("report")
    try:
        summary = prepare(**args)
    except PreparationError as error:
        print(error, file=sys.stderr)
        problems, code = error.problems, 1
    except (ValueError, OSError) as error:
        print(f"prepare.py: {error}", file=sys.stderr)
        return 2
    else:
        print(summary.text)
        problems, code = summary.problems, 0
    if report:
        Path(report).write_text("\n".join([*problem_lines(problems), ""]), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
