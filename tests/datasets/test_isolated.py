"""Workers that crash, hang, raise or answer: every item has one outcome, the parent lives."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from f4d_mmaction.datasets.isolated import run_isolated


def act(order: tuple[str, Any]) -> Any:
    kind, value = order
    if kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "exit":
        os._exit(value)
    if kind == "hang":
        time.sleep(600)
    if kind == "raise":
        raise value
    return os.getpid() if kind == "pid" else value


@pytest.mark.parametrize("workers", [1, 3])
def test_every_item_has_its_outcome(workers: int) -> None:
    orders = [("give", 0), ("segfault", None), ("give", 2), ("exit", 7), ("hang", None)]
    orders += [("raise", ValueError("bad")), ("segfault", None), ("give", 7)]
    orders += [("raise", TimeoutError("of its own")), ("raise", SystemExit(3))]
    outcomes = {o.index: (o.kind, o.value) for o in run_isolated(act, orders, workers, 3.0)}
    assert outcomes == {
        0: ("value", 0),
        1: ("crashed", "the worker process died (SIGSEGV)"),
        2: ("value", 2),
        3: ("crashed", "the worker process died (exit code 7)"),
        4: ("hung", "no answer within 3 s"),
        5: ("error", "ValueError: bad"),
        6: ("crashed", "the worker process died (SIGSEGV)"),
        7: ("value", 7),
        8: ("error", "TimeoutError: of its own"),
        9: ("error", "SystemExit: 3"),
    }


def test_a_worker_is_used_again_and_none_stays() -> None:
    pids = [outcome.value for outcome in run_isolated(act, [("pid", None)] * 20, 2, 10.0)]
    assert len(pids) == 20
    assert 1 <= len(set(pids)) <= 2
    for pid in set(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_none_stays_when_the_caller_stops_early() -> None:
    outcomes = run_isolated(act, [("pid", None), ("hang", None), ("hang", None)], 2, 60.0)
    pid = next(outcomes).value
    outcomes.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_arguments() -> None:
    assert list(run_isolated(act, [], 2, 1.0)) == []
    with pytest.raises(ValueError, match="workers >= 1"):
        list(run_isolated(act, [], 0, 1.0))
