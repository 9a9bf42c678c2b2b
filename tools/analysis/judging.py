"""What a test set says about a classifier: accuracies with intervals, mistakes, calibration."""

from typing import NamedTuple

import numpy as np

from f4d_mmaction.analysis.statistics import Estimate
from mmaction.evaluation import mean_average_precision

BINS = 15
Z = 1.959964  # two-sided 95 %


class Mistake(NamedTuple):
    """How many ``videos`` of class ``truth`` were taken for ``taken``."""

    truth: int
    taken: int
    videos: int


def mean_class_accuracy(confusion: np.ndarray) -> Estimate:
    """Mean over the classes that have videos, each of them counting the same.

    The interval is the normal one. Each class's variance is of its accuracy with one right and one
    wrong answer added, so that a class of few videos is not taken for certain.
    """
    counts = confusion.sum(1)
    hits, counts = np.diag(confusion)[counts > 0], counts[counts > 0]
    mean, smooth = (hits / counts).mean(), (hits + 1) / (counts + 2)
    half = Z * np.sqrt((smooth * (1 - smooth) / counts).sum()) / len(counts)
    return Estimate(mean, max(mean - half, 0.0), min(mean + half, 1.0))


def top_hits(scores: np.ndarray, labels: np.ndarray, k: int) -> int:
    """Number of videos whose true class is among the k best."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return int((best == labels[:, None]).any(1).sum())


def average_precisions(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Average precision of each class (K,) by MMAction2; NaN for a class without videos.

    Of scores and labels (N, K), labels of 0 and 1. Their mean over the classes that have videos is
    its ``mean_average_precision``.
    """
    with np.errstate(invalid="ignore"):
        columns = zip(scores.T[..., None], labels.T[..., None])
        return np.array([mean_average_precision(score, label) for score, label in columns])


def mistakes(confusion: np.ndarray) -> list[Mistake]:
    """Every pair of classes that was confused, the most frequent first."""
    wrong = confusion - np.diag(np.diag(confusion))
    found = [Mistake(int(i), int(j), int(wrong[i, j])) for i, j in np.argwhere(wrong)]
    return sorted(found, key=lambda mistake: -mistake.videos)


def side_by_side(confusion: np.ndarray) -> np.ndarray:
    """An order of the classes in which those that are confused stand together.

    By the eigenvector of the second smallest eigenvalue of the graph's Laplacian, as in Atkins et
    al., A Spectral Algorithm for Seriation (1998).
    """
    weights = (confusion + confusion.T).astype(float)
    np.fill_diagonal(weights, 0)
    weights += 1e-3  # joins what was never confused
    laplacian = np.diag(weights.sum(1)) - weights
    place = np.linalg.eigh(laplacian)[1][:, min(1, len(weights) - 1)]
    return np.argsort(place if place[0] <= place[-1] else -place, kind="stable")


def probabilities(scores: np.ndarray) -> np.ndarray:
    """The scores (N, K) themselves, or their softmax where they are logits."""
    if scores.min() >= 0 and np.allclose(scores.sum(1), 1, atol=1e-3):
        return scores
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def calibration(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """How often the network is right where it is so sure.

    Guo et al., On Calibration of Modern Neural Networks (2017).

    Returns:
        Mean confidence, accuracy and number of videos of each bin of equal width, (``BINS``, 3),
        NaN where it is empty; and the expected calibration error.
    """
    sure, right = scores.max(1).astype(float), scores.argmax(1) == labels
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    confident, hits, count = (np.bincount(place, x, BINS) for x in (sure, right, None))
    with np.errstate(invalid="ignore"):
        bins = np.stack([confident / count, hits / count, count], axis=1)
    return bins, float(np.abs(confident - hits).sum() / len(labels))
