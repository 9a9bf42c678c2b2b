"""Run a function on many items in worker processes that may crash or hang without harm."""

import faulthandler
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, TimeoutError
from itertools import islice
from typing import Any

from pebble import ProcessExpired, ProcessPool

CONTEXT = multiprocessing.get_context("fork")  # quick, and needs no import in the child


def run_isolated(
    function: Callable[[Any], Any], items: Iterable[Any], workers: int, time_limit: float
) -> Iterator[tuple[str, Any]]:
    """Yield what came of each item, in order: 'value', 'error', 'crashed' or 'hung', with details.

    A worker is killed whose item takes more than so many seconds; values must pickle.

    Raises:
        ValueError: workers or time_limit is not positive.
    """
    if workers < 1 or time_limit <= 0:
        raise ValueError(
            f"expected workers >= 1 and time_limit > 0, got {workers} and {time_limit}"
        )
    todo, running = iter(items), deque[Future]()
    pool = ProcessPool(workers, initializer=silence, context=CONTEXT)
    try:
        while True:
            for item in islice(todo, 4 * workers - len(running)):
                running.append(pool.schedule(call, [function, item], timeout=time_limit))
            if not running:
                return
            yield result(running.popleft(), time_limit)
    finally:
        pool.stop()
        pool.join()


def silence() -> None:
    """Discard what decoders print; the parent reports interrupts and crashes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def call(function: Callable[[Any], Any], item: Any) -> tuple[str, Any]:
    """Call the function in the worker, so that whatever it raises is told from pebble's errors."""
    try:
        return "value", function(item)
    except BaseException as error:
        return "error", f"{type(error).__name__}: {error}"


def result(future: Future, time_limit: float) -> tuple[str, Any]:
    try:
        return future.result()
    except ProcessExpired as error:
        code = error.exitcode
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return "crashed", f"the worker process died ({cause})"
    except TimeoutError:
        return "hung", f"no answer within {time_limit:g} s"
