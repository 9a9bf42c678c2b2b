"""Timing on a shared machine: candidates take turns, so that only neighbors are compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import torch


def timed(step: Callable[[], object], device: str = "cpu") -> float:
    """Return the seconds of one call, with the device's queue drained before and after."""
    on_cuda = torch.device(device).type == "cuda"
    if on_cuda:
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    step()
    if on_cuda:
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def take_turns(
    timers: Sequence[Callable[[], float]], rounds: int, warmup: int = 1
) -> list[list[float]]:
    """Call each timer once a round (A B A B ...).

    Args:
        timers: Each runs its candidate once and returns the seconds that took.
        rounds: Number of rounds.
        warmup: Calls of each timer beforehand that do not count.

    Returns:
        The seconds of each timer, round by round.
    """
    for timer in timers:
        for _ in range(warmup):
            timer()
    seconds: list[list[float]] = [[] for _ in timers]
    for _ in range(rounds):
        for timer, times in zip(timers, seconds):
            times.append(timer())
    return seconds


def time_ratio(times: Sequence[float], others: Sequence[float]) -> float:
    """Return the median over rounds of one candidate's time over the other's."""
    return statistics.median(time / other for time, other in zip(times, others))
