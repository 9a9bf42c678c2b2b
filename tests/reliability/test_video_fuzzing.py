"""Mutated videos never crash or hang the process that reads them: `-m slow -s` for the table."""

from __future__ import annotations

import pytest
from video_fuzzing import fuzz, to_markdown

from f4d_mmaction.datasets.video_errors import BadVideoKind

ACCEPTED = {
    *(kind.value for kind in BadVideoKind),
    "frames as before",
    "first frames only",
    "frames out of place",
    "other frames",
}


@pytest.mark.parametrize("mutants", [105, pytest.param(2100, marks=pytest.mark.slow)])
def test_every_mutant_is_read_or_refused_by_kind(mutants: int) -> None:
    counts = fuzz(mutants)
    print(f"\n{to_markdown(counts)}")
    assert {outcome for counter in counts.values() for outcome in counter} <= ACCEPTED
    assert sum(sum(counter.values()) for counter in counts.values()) == mutants
