"""Mutated checkpoints never crash, hang or run code: `-m slow -s` for the table."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoint_fuzzing import fuzz_checkpoints
from tiny_run import train, write_config

ACCEPTED = {
    "accident: refused",
    "accident: weights as before",  # between the members of the zip, or in the log
    "attack: refused",
    "attack: weights as before",
    "attack: other weights",  # check sums are no signature
}


@pytest.mark.parametrize("mutants", [24, pytest.param(500, marks=pytest.mark.slow)])
def test_mutants_are_refused_or_do_no_harm(benchmark: Path, tmp_path: Path, mutants: int) -> None:
    train(write_config(tmp_path, benchmark, "_base_.train_cfg.max_epochs = 1\n"), tmp_path)
    counts = fuzz_checkpoints(tmp_path / "epoch_1.pth", mutants, time_limit=120)
    print("", *(f"{count:6} {outcome}" for outcome, count in sorted(counts.items())), sep="\n")
    assert sum(counts.values()) == mutants
    assert set(counts) <= ACCEPTED
    assert counts["accident: refused"] > mutants / 4
    assert counts["attack: refused"] > mutants / 4
