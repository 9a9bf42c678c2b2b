"""Shares with their intervals, and counts of confusions, for every tool that reports a test."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Z = 1.959964  # two-sided 95 %


class Estimate(NamedTuple):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(hits: int, count: int) -> Estimate:
    """Wilson's score interval of ``hits`` in ``count``, which is sound at 0 and 1 too.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927).
    """
    share, square = hits / count, Z * Z / count
    middle = (share + square / 2) / (1 + square)
    half = np.sqrt(share * (1 - share) * square + square * square / 4) / (1 + square)
    return Estimate(share, max(middle - half, 0.0), min(middle + half, 1.0))


def confusion_of(labels: Sequence[int], taken: Sequence[int], classes: int) -> np.ndarray:
    """Number of videos by true class (rows) and by the class they were taken for."""
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (labels, taken), 1)
    return matrix
