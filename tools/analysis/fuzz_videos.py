"""Mutate real video files, read them in other processes, and print what became of them."""

from __future__ import annotations

import argparse
import sys

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.fuzzing import READERS, fuzz, to_markdown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=2100)
    parser.add_argument("--reader", choices=READERS, default="ours")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    counts = fuzz(args.mutants, args.reader, args.seed, args.workers)
    print(to_markdown(counts))
    lost = sum(counter["crashed"] + counter["hung"] for counter in counts.values())
    errors = sum(n for c in counts.values() for kind, n in c.items() if kind.startswith("error"))
    print(f"\n{lost} crashed or hung, {errors} not classified")
    return 1 if lost or errors else 0


if __name__ == "__main__":
    sys.exit(main())
