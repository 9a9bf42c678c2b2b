"""Timing on a shared machine: candidates take turns, so that only neighbors are compared."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Result = TypeVar("Result")


def timed(step: Callable[[], object], device: str = "cpu") -> float:
    """Return the seconds of one call, with the device's queue drained before and after."""
    drain = torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda _: None
    drain(device)
    start = time.perf_counter()
    step()
    drain(device)
    return time.perf_counter() - start


def take_turns(
    candidates: Sequence[Callable[[], Result]], rounds: int, warmup: int = 1
) -> list[list[Result]]:
    """Call candidates in turns, A B A B ...; each one's results by round, after the ``warmup``."""
    results = [[candidate() for candidate in candidates] for _ in range(warmup + rounds)]
    return [list(column) for column in zip(*results[warmup:])]


def time_ratio(times: Sequence[float], others: Sequence[float]) -> float:
    """Return the median over rounds of one candidate's time over the other's."""
    return statistics.median(time / other for time, other in zip(times, others))
