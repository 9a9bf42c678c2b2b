"""Count parameters and multiply-adds of recognizers by part, per video and per test protocol."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.complexity import compare, to_markdown
from f4d_mmaction.analysis.report import write_section


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="ratios are to the first")
    parser.add_argument("--num-units", type=int, default=4)
    parser.add_argument("--clip-len", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--json", type=Path, help="also write the records here")
    parser.add_argument(
        "--markdown",
        nargs=2,
        metavar=("FILE", "SECTION"),
        help="also write the tables into that section of a document",
    )
    args = parser.parse_args()
    try:
        records = compare(args.configs, args.num_units, args.clip_len, args.size)
        print(to_markdown(records))
        if args.markdown:
            write_section(*args.markdown, to_markdown(records))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
