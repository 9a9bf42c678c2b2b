"""What pairs of networks say of the same test clips: differences with intervals, opposites."""

from collections.abc import Mapping, Sequence

import numpy as np

from f4d_mmaction.analysis.statistics import Estimate, confusion_of

DRAWS = 10_000  # of the bootstrap


def hits(results: Sequence[dict]) -> dict[tuple[int, str], np.ndarray]:
    """Say for each network, named by seed and split, which of its test clips are right."""
    return {
        (each["seed"], each["split"]): np.equal(each["labels"], each["predictions"])
        for each in results
    }


def paired_difference(first: Sequence[dict], second: Sequence[dict]) -> Estimate | None:
    """Subtract the second row's runs from the first's, on the seeds and splits that both have.

    The interval is a bootstrap in which networks and clips are drawn anew, independently of each
    other, for each split on its own, whose networks are trained apart: it covers another draw of
    the weights and another draw of test clips. Of n networks n - 1 are drawn, as few of them would
    vary too little otherwise (Rao and Wu, 1988). With one seed it covers the clips alone.
    """
    one, other = hits(first), hits(second)
    splits: dict[str, list[np.ndarray]] = {}
    for key in sorted(one.keys() & other.keys()):
        splits.setdefault(key[1], []).append(one[key].astype(int) - other[key])
    if not splits:
        return None
    tables = [np.stack(gains) for gains in splits.values()]  # networks, clips
    draw, drawn = np.random.default_rng(0), np.zeros(DRAWS)
    for table in tables:
        seeds, clips = table.shape
        few = max(seeds - 1, 1)
        by_seed = draw.multinomial(few, np.full(seeds, 1 / seeds), DRAWS) * (seeds / few)
        by_clip = draw.multinomial(clips, np.full(clips, 1 / clips), DRAWS)
        drawn += ((by_seed @ table) * by_clip).sum(1)
    count = sum(table.size for table in tables)
    low, high = np.quantile(drawn / count, (0.025, 0.975))
    return Estimate(float(sum(table.sum() for table in tables) / count), float(low), float(high))


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
