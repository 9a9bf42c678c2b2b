"""Count parameters and multiply-adds of recognizers by part, per video and per test protocol."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmengine.config import Config

from f4d_mmaction.analysis.complexity import PARTS, complexity, protocol
from f4d_mmaction.analysis.report import markdown_table, write_section


def compare(
    paths: Sequence[str | Path], num_units: int, clip_lens: Sequence[int], size: int
) -> list[dict]:
    """Count every config at every clip length (``costs``), and at its own test protocol."""
    records = []
    for path in paths:
        config = Config.fromfile(path)
        units, frames, views = protocol(config)
        found = [complexity(config, num_units, clip_len, size) for clip_len in clip_lens]
        costs = [dict(asdict(each), params=each.params, macs=each.macs) for each in found]
        macs = views * complexity(config, units, frames, size).macs
        test = dict(num_units=units, clip_len=frames, views=views, size=size, macs=macs)
        records.append(dict(name=Path(path).stem, costs=costs, test=test))
    return records


def to_markdown(records: Sequence[dict]) -> str:
    """Show totals per clip length and test protocol, then the parts at the last clip length."""
    first = records[0]["costs"]
    shapes = [f"U{cost['num_units']} x T{cost['clip_len']}" for cost in first]
    totals, parts = [], []
    for record in records:
        name, costs, test = record["name"], record["costs"], record["test"]
        macs = [giga(cost["macs"]) for cost in costs]
        ratio = f"{costs[-1]['macs'] / first[-1]['macs']:.2f}"
        tested = "{num_units} x {clip_len} x {views}: ".format(**test) + giga(test["macs"])
        totals.append([name, mega(costs[0]["params"]), *macs, ratio, tested])
        each = costs[-1]["parts"].values()
        parts.append([name, *(f"{mega(part['params'])}, {giga(part['macs'])}" for part in each)])
    header = ["network", "params", *shapes, "to the first", "test: units x frames x views"]
    return (
        "Parameters and multiply-adds of one view at {size} x {size}:\n\n".format(**first[-1])
        + f"{markdown_table(header, totals)}\n\n"
        + f"By part at {shapes[-1]}:\n\n{markdown_table(['network', *PARTS], parts)}"
    )


def mega(count: int) -> str:
    """Show a count in millions."""
    return f"{count / 1e6:.2f} M"


def giga(count: int) -> str:
    """Show a count in thousands of millions."""
    return f"{count / 1e9:.1f} G" if count >= 1e8 else f"{count / 1e9:.3f} G"


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
            write_section(args.markdown[0], args.markdown[1], to_markdown(records))
        if args.json:
            args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
