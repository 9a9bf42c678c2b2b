"""What pairs of networks say of the same test clips: differences with intervals, opposites."""

from collections.abc import Mapping, Sequence

import numpy as np

from f4d_mmaction.analysis.statistics import Estimate, confusion_of

DRAWS = 10_000  # of the bootstrap


def hits(results: Sequence[dict]) -> dict[int, dict[tuple, bool]]:
    """Say for each seed which test clips, named by split and place in the list, are right."""
    found: dict[int, dict[tuple, bool]] = {}
    for each in results:
        pairs = zip(each["labels"], each["predictions"])
        right = {(each["split"], i): label == guess for i, (label, guess) in enumerate(pairs)}
        found.setdefault(each["seed"], {}).update(right)
    return found


def paired_difference(first: Sequence[dict], second: Sequence[dict]) -> Estimate | None:
    """Subtract the second row's runs from the first's, on the seeds and clips that both have.

    The interval is a bootstrap in which seeds and clips are drawn anew, independently of each
    other: it covers another draw of the weights and another draw of test clips.
    """
    one, other = hits(first), hits(second)
    seeds = sorted(one.keys() & other.keys())
    if not seeds:
        return None
    clips = sorted(set.intersection(*({*one[seed]} & {*other[seed]} for seed in seeds)))
    if not clips:
        return None
    table = np.array(
        [[int(one[seed][clip]) - int(other[seed][clip]) for clip in clips] for seed in seeds]
    )
    draw = np.random.default_rng(0)
    by_seed, by_clip = (draw.multinomial(n, np.full(n, 1 / n), DRAWS) / n for n in table.shape)
    means = ((by_seed @ table) * by_clip).sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Estimate(float(table.mean()), float(low), float(high))


def opposite_share(results: Sequence[dict], opposites: Mapping[int, int]) -> float | None:
    """Share of the clips with an opposite that are called by it once their units are reversed."""
    called = [
        guess == opposites[label]
        for each in results
        for label, guess in zip(each["labels"], each["predictions_reversed"])
        if label in opposites
    ]
    return sum(called) / len(called) if called else None


def confusion(results: Sequence[dict], num_classes: int) -> np.ndarray:
    """Count predicted classes (columns) by label (rows) over all seeds and splits."""
    counts = [confusion_of(each["labels"], each["predictions"], num_classes) for each in results]
    return np.sum(counts, axis=0)
