"""Compare a config's loading pipeline with MMAction2's stock stages, per worker and by stage."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.loading import compare, to_markdown


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
    parser.add_argument(
        "--at-least", type=float, nargs="+", help="exit 1 if a ratio falls below these, in order"
    )
    return parser.parse_args()


def main() -> int:
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
    print(to_markdown(records))
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    missed = [
        f"{record['videos']}: ratio {record['ratio']:.2f} is below {least}"
        for record, least in zip(records, args.at_least or [])
        if record["ratio"] < least
    ]
    print("\n".join(missed), file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
