"""Build MMAction2 annotation lists from a dataset's official annotation files, or file names."""

import argparse
import sys
from pathlib import Path

from dataset_facts import DATASETS
from named_files import NAMED
from preparation import PreparationError, prepare
from problem_lists import problem_lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="dataset", required=True, metavar="DATASET")
    for name in (*DATASETS, *NAMED):
        command = commands.add_parser(name, argument_default=argparse.SUPPRESS)
        command.add_argument("--media", required=True, help="folder of the videos or frame folders")
        command.add_argument("--out", required=True, help="folder for the lists")
        command.add_argument(
            "--strict", action="store_true", help="refuse when a video is missing or incomplete"
        )
        command.add_argument("--report", help="write every problem to this file, also when refused")
        if name in DATASETS:
            command.add_argument("--annotations", required=True, help="the official files' folder")
            command.add_argument("--split", type=int, help="1, 2 or 3 (ucf101, hmdb51; default 1)")
            command.add_argument(
                "--delimiter",
                help="between name and label (default blank); needed where names hold blanks",
            )
            command.add_argument("--classes", help="class names in label order, one a line")
        else:
            command.add_argument("--size", type=int, help="shorter side of the copies (default 80)")
        if name == "utd_mhad":
            command.add_argument(
                "--sequences", type=int, help="actions of one person joined in a video (default 1)"
            )
            command.add_argument("--seed", type=int, help="of the sequences (default 0)")
    args = vars(parser.parse_args())
    report = args.pop("report", None)
    try:
        if report:
            Path(report).parent.mkdir(parents=True, exist_ok=True)
        if args["dataset"] in NAMED:
            summary = NAMED[args.pop("dataset")](**args)
        else:
            summary = prepare(**args)
    except PreparationError as error:
        print(error, file=sys.stderr)
        problems, code = error.problems, 1
    except (ValueError, OSError) as error:
        parser.error(str(error))
    else:
        print(summary.text)
        problems, code = summary.problems, 0
    if report:
        Path(report).write_text("\n".join([*problem_lines(problems), ""]), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
