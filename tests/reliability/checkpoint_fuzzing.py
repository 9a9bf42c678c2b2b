"""What becomes of altered checkpoints: mutate a real one, load it, sort the outcomes."""

from __future__ import annotations

import io
import sys
import tempfile
import zipfile
from collections import Counter
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from video_fuzzing import mutate

from f4d_mmaction.datasets.isolated import run_isolated
from f4d_mmaction.engine.checkpoints import DamagedCheckpointError, load_checked

# What a checkpoint's code would do first: names of Python's own audit events.
_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen",
              "socket.connect", "ctypes.dlopen", "os.remove", "os.rename")  # fmt: skip


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


def try_mutant(seed_file: Path, number: int) -> str:
    """Mutate a checkpoint by random seed ``number``, load it, and name the outcome.

    Returns:
        ``'refused'``, ``'weights as before'``, ``'other weights'`` or ``'code ran'``, after
        ``'accident: '`` or ``'attack: '``; ``'error: ...'`` is an error nobody expected.
    """
    original = seed_file.read_bytes()
    accident = number % 2 == 0
    change = mutate if accident else mutate_pickle
    data = change(original, np.random.default_rng([number, len(original)]))
    ran = _watched()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "epoch_1.pth"
        path.write_bytes(data)
        ran.clear()
        try:
            weights = load_checked(path).get("state_dict")
        except DamagedCheckpointError:
            outcome = "refused"
        except Exception as error:
            return f"error: {type(error).__name__}"
        else:
            same = _equal(weights, load_checked(seed_file)["state_dict"])
            outcome = "weights as before" if same else "other weights"
        if ran:
            outcome = "code ran"
    return f"{'accident' if accident else 'attack'}: {outcome}"


def fuzz_checkpoints(
    seed_file: Path, mutants: int, seed: int = 0, workers: int = 2, time_limit: float = 60.0
) -> Counter[str]:
    """Load mutated checkpoints in other processes and count the outcomes.

    Args:
        seed_file: A sound checkpoint.
        mutants: How many; every other one is an attack (valid check sums).
        seed: Of the mutations.
        workers: Number of processes.
        time_limit: Seconds after which one counts as ``'hung'``.

    Returns:
        Outcomes of ``try_mutant``, and ``'crashed'`` and ``'hung'``.
    """
    items = range(seed * mutants, (seed + 1) * mutants)
    outcomes = run_isolated(partial(try_mutant, seed_file), items, workers, time_limit)
    return Counter(
        outcome.kind if outcome.kind in ("crashed", "hung") else str(outcome.value)
        for outcome in outcomes
    )


@cache
def _watched() -> list[str]:
    """Have Python note whatever forbidden thing is done from now on: no hook can be taken out."""
    ran: list[str] = []
    sys.addaudithook(lambda event, _: ran.append(event) if event in _FORBIDDEN else None)
    return ran


def _equal(first: object, second: dict[str, torch.Tensor]) -> bool:
    if not isinstance(first, dict) or first.keys() != second.keys():
        return False
    return all(
        isinstance(first[name], torch.Tensor) and torch.equal(first[name], value)
        for name, value in second.items()
    )
