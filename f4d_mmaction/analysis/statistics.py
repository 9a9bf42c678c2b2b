"""Shares with their intervals, and counts of confusions, for every tool that reports a test."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest


class Estimate(NamedTuple):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(hits: int, count: int) -> Estimate:
    """Return the share of ``hits`` in ``count`` with Wilson's interval, sound at 0 and 1 too."""
    return Estimate(hits / count, *binomtest(hits, count).proportion_ci(method="wilson"))


def confusion_of(labels: Sequence[int], taken: Sequence[int], classes: int) -> np.ndarray:
    """Number of videos by true class (rows) and by the class they were taken for."""
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (labels, taken), 1)
    return matrix
