"""Workers that crash, hang, raise or answer: every item has one outcome, the parent lives."""

import os
import signal
import time
from typing import Any

import pytest
from isolated import run_isolated


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
    assert list(run_isolated(act, orders, workers, 3.0)) == [
        ("value", 0),
        ("crashed", "the worker process died (SIGSEGV)"),
        ("value", 2),
        ("crashed", "the worker process died (exit code 7)"),
        ("hung", "no answer within 3 s"),
        ("error", "ValueError: bad"),
        ("crashed", "the worker process died (SIGSEGV)"),
        ("value", 7),
        ("error", "TimeoutError: of its own"),
        ("error", "SystemExit: 3"),
    ]


def test_a_worker_is_used_again_and_none_stays() -> None:
    pids = [pid for _, pid in run_isolated(act, [("pid", None)] * 20, 2, 10.0)]
    assert len(pids) == 20
    assert 1 <= len(set(pids)) <= 2
    for pid in set(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_none_stays_when_the_caller_stops_early() -> None:
    outcomes = run_isolated(act, [("pid", None), ("hang", None), ("hang", None)], 2, 60.0)
    _, pid = next(outcomes)
    outcomes.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_arguments() -> None:
    assert list(run_isolated(act, [], 2, 1.0)) == []
    with pytest.raises(ValueError, match="workers >= 1"):
        list(run_isolated(act, [], 0, 1.0))
