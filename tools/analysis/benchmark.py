"""Measure forward or training time and peak memory of recognizers, in turns, and their ratios."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mmengine.config import DictAction

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.benchmark import (
    MEMORY,
    MODES,
    Subject,
    check,
    check_markdown,
    compare,
    plot_sweep,
    profile,
    profile_markdown,
    sweep,
    sweep_markdown,
    to_markdown,
)
from f4d_mmaction.analysis.report import write_section


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help="ratios are to the first")
    parser.add_argument("--check", metavar="FILE", help="measure these targets; exit 1 if missed")
    parser.add_argument("--only", default="", help="of these, the targets that have this text")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--num-units", type=int, default=4)
    parser.add_argument("--clip-len", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--mode", nargs="+", choices=MODES, default=["eager"])
    parser.add_argument(
        "--memory", choices=MEMORY, default="kept", help="of the CPU: as our tools have it, or not"
    )
    parser.add_argument(
        "--training", action="store_true", help="training steps, not forward passes"
    )
    parser.add_argument("--contiguous", action="store_true", help="do without channels_last")
    parser.add_argument("--checkpointing", choices=["none", "blocks", "all"], default="none")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={}, metavar="K=V")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true", help="measure time only")
    parser.add_argument("--json", type=Path, help="also write the records here")
    parser.add_argument("--markdown", nargs=2, metavar=("FILE", "SECTION"))
    parser.add_argument("--plot", type=Path, help="time against U and T, into this picture")
    parser.add_argument("--plot-units", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--plot-lengths", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    return parser, parser.parse_args()


def subjects_of(args: argparse.Namespace) -> list[Subject]:
    options = dict(args.cfg_options)
    if args.contiguous:
        options["model.backbone.channels_last"] = False
    if args.checkpointing == "all":
        options["model.backbone.with_cp"] = True
    elif args.checkpointing == "blocks":
        options["model.backbone.block4d.with_cp"] = True
    return [
        Subject(
            config=config,
            batch=args.batch,
            num_units=args.num_units,
            clip_len=args.clip_len,
            size=args.size,
            mode=mode,
            training=args.training,
            dtype=args.dtype,
            device=args.device,
            memory=args.memory,
            options=options,
        )
        for mode in args.mode
        for config in args.configs
    ]


def main() -> int:
    parser, args = parse_args()
    if bool(args.configs) == bool(args.check):
        parser.error("give configs to compare, or --check FILE")
    try:
        if args.check:
            records = check(args.check, args.rounds, args.device, args.only)
            text = check_markdown(records, args.device)
        elif args.profile:
            records = {subject.name: profile(subject) for subject in subjects_of(args)}
            text = profile_markdown(records)
        elif args.plot:
            subjects = subjects_of(args)
            records = sweep(subjects, args.plot_units, args.plot_lengths, args.rounds)
            plot_sweep(args.plot, subjects, args.plot_units, args.plot_lengths, records)
            text = sweep_markdown(subjects, args.plot_units, args.plot_lengths, records)
        else:
            records = compare(subjects_of(args), args.rounds, not args.no_memory)
            text = to_markdown(records)
        print(text)
        if args.markdown:
            write_section(*args.markdown, text)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    return int(bool(args.check) and not all(record["met"] for record in records))


if __name__ == "__main__":
    sys.exit(main())
