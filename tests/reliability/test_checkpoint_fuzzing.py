"""Mutated checkpoints never crash, hang or run code: `-m slow -s` for the table."""

import io
import sys
import zipfile
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mutating import count_outcomes, mutate
from tiny_run import same, train, weights, write_config

from f4d_mmaction.engine.checkpoints import DamagedCheckpointError, load_checked

# What a checkpoint's code would do first: names of Python's own audit events.
FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen",
             "socket.connect", "ctypes.dlopen", "os.remove", "os.rename")  # fmt: skip
ACCEPTED = {
    "accident: refused",
    "accident: weights as before",  # between the members of the zip, or in the log
    "attack: refused",
    "attack: weights as before",
    "attack: other weights",  # check sums are no signature
}


def mutate_pickle(data: bytes, rng: np.random.Generator) -> bytes:
    """Mutate the pickle inside a checkpoint and pack it with valid check sums.

    Check sums tell accidents, not attacks: the mutant has to be stopped by the unpickler.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, mutate(content, rng) if name.endswith("data.pkl") else content)
    return packed.getvalue()


@cache
def forbidden_calls() -> list[str]:
    """Have Python note what is done from now on that is forbidden; no hook can be taken out."""
    calls: list[str] = []
    sys.addaudithook(lambda event, _: calls.append(event) if event in FORBIDDEN else None)
    return calls


def load_mutant(sound: Path, seed: int) -> str:
    """Damage a checkpoint by a random seed, load it, and name the outcome; even ones: accidents."""
    attack, original = seed % 2, sound.read_bytes()
    change = mutate_pickle if attack else mutate
    path = sound.with_name(f"{seed}.pth")
    path.write_bytes(change(original, np.random.default_rng([seed, len(original)])))
    calls = forbidden_calls()
    calls.clear()
    try:
        found = load_checked(path).get("state_dict")
    except DamagedCheckpointError:
        outcome = "refused"
    else:
        tensors = isinstance(found, dict) and all(map(torch.is_tensor, found.values()))
        intact = tensors and same(weights(sound), found)
        outcome = "weights as before" if intact else "other weights"
    return f"{'attack' if attack else 'accident'}: {'code ran' if calls else outcome}"


@pytest.mark.parametrize("mutants", [24, pytest.param(500, marks=pytest.mark.slow)])
def test_mutants_are_refused_or_do_no_harm(benchmark: Path, tmp_path: Path, mutants: int) -> None:
    train(write_config(tmp_path, benchmark, "_base_.train_cfg.max_epochs = 1\n"), tmp_path)
    counts = count_outcomes(partial(load_mutant, tmp_path / "epoch_1.pth"), range(mutants))
    print("", *(f"{count:6} {outcome}" for outcome, count in sorted(counts.items())), sep="\n")
    assert sum(counts.values()) == mutants
    assert set(counts) <= ACCEPTED
    assert counts["accident: refused"] > mutants / 4
    assert counts["attack: refused"] > mutants / 4
