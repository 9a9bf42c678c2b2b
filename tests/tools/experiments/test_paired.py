"""Paired differences of networks, and what reversed units are called."""

import numpy as np
import pytest
from paired import confusion, opposite_share, paired_difference


def runs(table: np.ndarray, splits: int = 1) -> list[dict]:
    """Make finished runs of a table (seeds, clips) of right and wrong answers."""
    return [
        dict(
            seed=seed,
            split=split,
            labels=[1] * len(part),
            predictions=[int(right) for right in part],
        )
        for seed, row in enumerate(table)
        for split, part in enumerate(np.array_split(row, splits))
    ]


def test_interval_agrees_with_the_normal_one_where_seeds_agree():
    draw = np.random.default_rng(3)
    one, other = draw.random(2000) < 0.8, draw.random(2000) < 0.6
    found = paired_difference(
        runs(np.stack([one, one]), splits=5), runs(np.stack([other, other]), splits=5)
    )
    gain = one.astype(int) - other
    half = 1.96 * gain.std() / len(gain) ** 0.5
    assert found.value == pytest.approx(gain.mean())
    assert found.low == pytest.approx(gain.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(gain.mean() + half, abs=0.1 * half)


def test_seeds_that_disagree_widen_the_interval():
    alike = np.tile(np.arange(100) < 80, (2, 1))
    apart = np.stack([np.arange(100) < 100, np.arange(100) < 60])
    none = np.zeros((2, 100))
    narrow, wide = (paired_difference(runs(table), runs(none)) for table in (alike, apart))
    assert narrow.value == wide.value == pytest.approx(0.8)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_each_fold_has_networks_of_its_own():
    """The first seed is right in fold 0 alone, the second in fold 1 alone."""
    right = np.arange(40) < 20
    found = paired_difference(runs(np.stack([right, ~right]), splits=2), runs(np.zeros((2, 40)), 2))
    # A fold's two networks drawn anew are both right, one, or neither: 1/4, 1/2, 1/4.
    assert found.value == 0.5
    assert (found.low, found.high) == (0, 1)
    whole = paired_difference(runs(np.stack([right, ~right])), runs(np.zeros((2, 40))))
    assert 0.3 < whole.low < whole.high < 0.7, "seeds of one fold are right as often, however drawn"


def test_only_what_both_rows_ran_is_compared():
    right, wrong = runs(np.ones((2, 40)), splits=2), runs(np.zeros((2, 40)), splits=2)
    assert paired_difference(right[:3], wrong).value == 1
    assert paired_difference(right[:1], wrong[1:2]) is None
    assert paired_difference(right, []) is None


def test_opposites_and_confusions_are_counted():
    run = dict(labels=[0, 1, 2, 0], predictions=[0, 0, 2, 2], predictions_reversed=[1, 2, 0, 1])
    assert opposite_share([run], {0: 1, 1: 0}) == pytest.approx(2 / 3)
    assert opposite_share([run], {5: 6}) is None
    assert confusion([run, run], 3).tolist() == [[2, 0, 2], [2, 0, 0], [0, 0, 2]]
