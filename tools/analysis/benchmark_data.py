"""Compare a config's loading pipeline with MMAction2's stock stages, per worker and by stage."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.loading import compare, to_markdown
from f4d_mmaction.analysis.report import write_section


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--subset", default="test", choices=["train", "val", "test"])
    parser.add_argument(
        "--frames", type=int, nargs="+", help="generate videos of these lengths; default: the data"
    )
    parser.add_argument("--suffix", default=".mp4", help="container of generated videos")
    parser.add_argument("--codec", default="libx264", help="encoder of generated videos")
    parser.add_argument("--size", type=int, nargs=2, default=[320, 240], metavar=("W", "H"))
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, help="also write the records here")
    parser.add_argument("--markdown", nargs=2, metavar=("FILE", "SECTION"))
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    config = Config.fromfile(args.config)
    init_default_scope(config.get("default_scope", "mmaction"))
    records = compare(
        config,
        frames=args.frames,
        suffix=args.suffix,
        codec=args.codec,
        size=tuple(args.size),
        videos=args.videos,
        repeats=args.repeats,
        subset=args.subset,
    )
    text = to_markdown(records)
    print(text)
    if args.markdown:
        write_section(*args.markdown, text)
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
