"""Run a function on many items in worker processes that may crash or hang without harm.

`multiprocessing.Pool` and `concurrent.futures` lose the whole pool with one segfault and have no
time limit for a running call. Here a dead or overdue worker costs one item.
"""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

# Forking is quick and needs no import in the child; it is not safe elsewhere than on Linux.
_CONTEXT = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


@dataclass(frozen=True)
class Outcome:
    """What came of item `index`: `kind` is 'value', 'error', 'crashed' or 'hung'."""

    index: int
    kind: str
    value: Any


def run_isolated(
    function: Callable[[Any], Any], items: Sequence[Any], workers: int, time_limit: float
) -> Iterator[Outcome]:
    """Yield one Outcome for every item, in the order in which they finish.

    Args:
        function: Called with one item in another process; its value must pickle.
        items: What to call it with.
        workers: Number of processes, at least 1.
        time_limit: Seconds an item may take before its worker is killed.

    Raises:
        ValueError: workers or time_limit is not positive.
    """
    if workers < 1 or time_limit <= 0:
        raise ValueError(
            f"expected workers >= 1 and time_limit > 0, got {workers} and {time_limit}"
        )
    todo = iter(enumerate(items))
    crew = [_Worker(function) for _ in range(min(workers, len(items)))]
    try:
        for worker in crew:
            worker.give(*next(todo), time_limit)
        while crew:
            soonest = min(worker.deadline for worker in crew)
            answers = [worker.connection for worker in crew]
            answered = wait(answers, timeout=max(0.0, soonest - time.monotonic()))
            for worker in list(crew):
                if worker.connection not in answered and time.monotonic() < worker.deadline:
                    continue
                outcome = worker.outcome(time_limit)
                following = next(todo, None)
                if following is None or outcome.kind in ("crashed", "hung"):
                    worker.stop()
                    crew.remove(worker)
                if following is not None:
                    if worker not in crew:
                        worker = _Worker(function)
                        crew.append(worker)
                    worker.give(*following, time_limit)
                yield outcome
    finally:
        for worker in crew:
            worker.stop()


class _Worker:
    """A process that calls the function on one item after the other."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        arguments = (function, theirs, self.connection)
        self.process = _CONTEXT.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()

    def give(self, index: int, item: Any, time_limit: float) -> None:
        self.index, self.deadline = index, time.monotonic() + time_limit
        with contextlib.suppress(BrokenPipeError):  # it just died, which `outcome` tells
            self.connection.send(item)

    def outcome(self, time_limit: float) -> Outcome:
        """The answer, or how the worker was lost."""
        if not self.connection.poll():
            return Outcome(self.index, "hung", f"no answer within {time_limit:g} s")
        try:
            return Outcome(self.index, *self.connection.recv())
        except (EOFError, ConnectionResetError):
            self.process.join(max(0.0, self.deadline - time.monotonic()))
        code = self.process.exitcode
        cause = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        return Outcome(self.index, "crashed", f"the worker process died ({cause})")

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _serve(function: Callable[[Any], Any], connection: Connection, parents: Connection) -> None:
    """Answer until the parent hangs up; what decoders print goes nowhere."""
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
