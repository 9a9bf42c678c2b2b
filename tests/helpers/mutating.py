"""Files damaged at random."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from isolated import run_isolated


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage a file in one of the ways that files get damaged, or that attackers try."""
    mutant = bytearray(data)
    kind = rng.choice(["cut", "bits", "header", "zeros", "drop", "insert", "number"])
    start = int(rng.integers(len(mutant)))
    length = int(min(2 ** rng.uniform(0, 12), len(mutant) - start))
    if kind == "cut":
        del mutant[start:]
    elif kind in ("bits", "header"):
        end = len(mutant) if kind == "bits" else min(512, len(mutant))
        for place in rng.integers(end, size=rng.integers(1, 20)):
            mutant[place] ^= 1 << int(rng.integers(8))
    elif kind == "zeros":
        mutant[start : start + length] = bytes(length)
    elif kind == "drop":
        del mutant[start : start + length]
    elif kind == "insert":
        mutant[start:start] = rng.bytes(length)
    else:  # sizes and counts that are extreme
        extreme = rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
        mutant[start : start + 4] = int(extreme).to_bytes(4, rng.choice(["big", "little"]))
    return bytes(mutant)


def count_outcomes(try_one: Callable[[Any], str], items: Sequence[Any]) -> Counter[str]:
    """Count what ``try_one`` returns for the items in other processes, which may crash or hang."""
    outcomes = run_isolated(try_one, items, workers=2, time_limit=120.0)
    return Counter(value if kind == "value" else f"{kind}: {value}" for kind, value in outcomes)
