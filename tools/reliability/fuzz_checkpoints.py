"""Mutate a checkpoint, load the mutants in other processes, and print what became of them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.checkpoint_fuzzing import fuzz_checkpoints


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="a sound one, as training saves it")
    parser.add_argument("--mutants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    if not args.checkpoint.is_file():
        parser.error(f"there is no checkpoint {args.checkpoint}")
    counts = fuzz_checkpoints(args.checkpoint, args.mutants, args.seed, args.workers)
    for outcome, count in sorted(counts.items()):
        print(f"{count:6} {outcome}")
    bad = ("crashed", "hung", "attack: code ran", "accident: code ran", "accident: other weights")
    failed = sum(n for kind, n in counts.items() if kind in bad or kind.startswith("error"))
    print(f"{failed} crashed, hung, ran code, went unnoticed or were not classified")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
