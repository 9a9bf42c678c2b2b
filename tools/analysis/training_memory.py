"""Compute which training batches fit on GPUs of 16 to 80 GB, with and without recomputation."""

from __future__ import annotations

import argparse

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.report import write_section
from f4d_mmaction.analysis.training_memory import to_markdown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--num-units", type=int, default=4)
    parser.add_argument("--clip-len", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--markdown", nargs=2, metavar=("FILE", "SECTION"))
    args = parser.parse_args()
    try:
        text = to_markdown(args.config, args.batch, args.num_units, args.clip_len, args.size)
        print(text)
        if args.markdown:
            write_section(*args.markdown, text)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
