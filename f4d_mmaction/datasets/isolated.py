"""Run a function on many items in worker processes that may crash or hang without harm.

`multiprocessing.Pool` and `concurrent.futures` lose the whole pool with one segfault and know no
time limit for a running call; a video decoder needs both. Here a dead or overdue worker costs one
item: it is named, and a new worker takes its place.
"""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

__all__ = ["Outcome", "run_isolated"]

# forking is quick and needs no import in the child; elsewhere than on Linux it is not safe
_CONTEXT = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


@dataclass(frozen=True)
class Outcome:
    """What came of item `index`: `kind` is 'value', 'error', 'crashed' or 'hung'."""

    index: int
    kind: str
    value: Any


@dataclass
class _Worker:
    function: Callable[[Any], Any]
    index: int | None = None
    deadline: float = float("inf")
    connection: Connection = field(init=False)
    process: multiprocessing.process.BaseProcess = field(init=False)

    def __post_init__(self) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(
            target=_serve, args=(self.function, theirs, self.connection), daemon=True
        )
        self.process.start()
        theirs.close()

    def give(self, index: int, item: Any, time_limit: float) -> None:
        self.index, self.deadline = index, time.monotonic() + time_limit
        with contextlib.suppress(BrokenPipeError):  # it just died, which its sentinel will tell
            self.connection.send(item)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _serve(function: Callable[[Any], Any], connection: Connection, parents: Connection) -> None:
    """A worker's life: answer until the parent hangs up; decoders' chatter goes nowhere."""
    parents.close()  # or a parent that was killed would never be missed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.disable()  # the parent tells of a crash
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        try:
            answer = ("value", function(item))
        except Exception as error:
            answer = ("error", f"{type(error).__name__}: {error}")
        connection.send(answer)


def run_isolated(
    function: Callable[[Any], Any], items: Sequence[Any], workers: int, time_limit: float
) -> Iterator[Outcome]:
    """Yield one Outcome for every item, in the order in which they finish.

    Args:
        function: Called with one item in another process; its value must pickle.
        items: What to call it with.
        workers: Number of processes, at least 1.
        time_limit: Seconds an item may take before its worker is killed.
    """
    if workers < 1 or time_limit <= 0:
        raise ValueError(
            f"expected workers >= 1 and time_limit > 0, got {workers} and {time_limit}"
        )
    todo = iter(enumerate(items))
    crew: list[_Worker] = []
    try:
        for index, item in itertools.islice(todo, workers):
            crew.append(_Worker(function))
            crew[-1].give(index, item, time_limit)
        while crew:
            for worker in _ready(crew):
                outcome = _collect(worker, time_limit)
                crew.remove(worker)
                lost = outcome.kind in ("crashed", "hung")
                following = next(todo, None)
                if lost or following is None:
                    worker.stop()
                if following is not None:
                    crew.append(_Worker(function) if lost else worker)
                    crew[-1].give(*following, time_limit)
                yield outcome
    finally:
        for worker in crew:
            worker.stop()


def _ready(crew: list[_Worker]) -> list[_Worker]:
    """Wait until a worker has answered, died or overrun its time; return those."""
    handles = [handle for worker in crew for handle in (worker.connection, worker.process.sentinel)]
    soonest = min(worker.deadline for worker in crew)
    signalled = wait(handles, timeout=max(0.0, soonest - time.monotonic()))
    now = time.monotonic()
    return [
        worker
        for worker in crew
        if worker.connection in signalled
        or worker.process.sentinel in signalled
        or worker.deadline <= now
    ]


def _collect(worker: _Worker, time_limit: float) -> Outcome:
    """The answer of a ready worker, or how it was lost."""
    if worker.connection.poll():
        with contextlib.suppress(EOFError, ConnectionResetError):
            return Outcome(worker.index, *worker.connection.recv())
    # a process closes its ends before it is dead: wait, unless its time is up, for its exit code
    worker.process.join(max(0.0, worker.deadline - time.monotonic()))
    if worker.process.exitcode is None:
        return Outcome(worker.index, "hung", f"no answer within {time_limit:g} s")
    code = worker.process.exitcode
    cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Outcome(worker.index, "crashed", f"the worker process died ({cause})")
