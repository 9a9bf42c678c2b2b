"""SampleActionUnits: one unit in each section, for every length of video."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.registry import TRANSFORMS

from f4d_mmaction.datasets.transforms import SampleActionUnits

LENGTHS = range(1, 401)
UNITS = range(1, 11)


def section_of(total: int, units: int, i: int) -> tuple[int, int]:
    """Frames from the first to the last that overlap section i in time."""
    return (i * total) // units, -((-(i + 1) * total) // units) - 1


@pytest.mark.parametrize("test_mode", [True, False], ids=["test", "train"])
@pytest.mark.parametrize("units", UNITS)
def test_units_lie_inside_their_sections_in_time_order(units: int, test_mode: bool) -> None:
    np.random.seed(units)
    for clip_len, interval in ((8, 4), (1, 1), (4, 2), (32, 1)):
        sampler = SampleActionUnits(units, clip_len, interval, test_mode=test_mode)
        for total in LENGTHS:
            indices = sampler.sample(total)
            assert indices.shape == (units, clip_len)
            assert (np.diff(indices, axis=1) >= 0).all()
            assert (np.diff(indices.mean(1)) >= 0).all()
            for i, unit in enumerate(indices):
                first, last = section_of(total, units, i)
                assert 0 <= first <= unit[0] <= unit[-1] <= last < total


@pytest.mark.parametrize("units", UNITS)
def test_test_mode_centres_units_on_their_sections(units: int) -> None:
    sampler = SampleActionUnits(units, 8, 4, test_mode=True)
    for total in LENGTHS:
        centers = (np.arange(units) + 0.5) * total / units - 0.5  # in frame indices
        assert np.abs(sampler.sample(total).mean(1) - centers).max() <= 1


@pytest.mark.parametrize("units", UNITS)
def test_interval_is_kept_where_it_fits_and_shrinks_to_the_largest_that_does(units: int) -> None:
    T, nominal = 8, 4
    sampler = SampleActionUnits(units, T, nominal, test_mode=True)
    for total in LENGTHS:
        steps = np.diff(sampler.sample(total), axis=1)
        shortest = min(-((-(i + 1) * total) // units) + (-i * total) // units for i in range(units))
        if shortest >= T:
            fits = [step for step in range(1, nominal + 1) if (T - 1) * step + 1 <= shortest]
            assert (steps == max(fits)).all()
        else:
            assert steps.max() <= 1  # spread evenly, with repeats


def test_short_videos_give_units_that_differ_where_sample_frames_repeats_one() -> None:
    stock = TRANSFORMS.build(
        dict(type="SampleFrames", clip_len=8, frame_interval=4, num_clips=4, test_mode=True)
    )
    clips = stock.transform(dict(total_frames=25, start_index=0))["frame_inds"].reshape(4, 8)
    assert len({tuple(clip) for clip in clips}) == 1
    units = SampleActionUnits(4, 8, 4, test_mode=True).sample(25)
    assert set(units.reshape(-1)) == set(range(25))


@given(
    total=st.integers(1, 400), units=st.integers(1, 10), clip_len=st.integers(1, 16),
    interval=st.integers(1, 8), test_mode=st.booleans(), seed=st.integers(0, 9),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_overlap_keeps_the_interval_and_the_video(
    total: int, units: int, clip_len: int, interval: int, test_mode: bool, seed: int
) -> None:
    np.random.seed(seed)
    sampler = SampleActionUnits(units, clip_len, interval, short="overlap", test_mode=test_mode)
    indices = sampler.sample(total)
    assert indices.min() >= 0
    assert indices.max() < total
    assert (np.diff(indices.mean(1)) >= 0).all()
    reach = (clip_len - 1) * interval
    if reach < total:
        assert (np.diff(indices, axis=1) == interval).all()
        if reach < total // units:  # every section holds a unit: the policies agree
            np.random.seed(seed)
            shrink = SampleActionUnits(units, clip_len, interval, test_mode=test_mode)
            assert (indices == shrink.sample(total)).all()


def test_overlapping_units_differ_and_reach_every_place_alike() -> None:
    np.random.seed(0)
    test = SampleActionUnits(4, 8, 4, short="overlap", test_mode=True)
    for total in range(32, 117):
        starts = test.sample(total)[:, 0]
        assert (np.diff(starts) > 0).all()
        assert (starts[0], starts[-1] + 28) == (0, total - 1)
        assert np.ptp(np.diff(starts)) <= 1
    alone = SampleActionUnits(1, 8, 4, short="overlap", test_mode=True).sample(11)
    assert (alone[0] + alone[0][::-1] == 10).all(), "in the middle"
    train = SampleActionUnits(4, 8, 4, short="overlap")
    draws = np.array([train.sample(60)[:, 0] for _ in range(3200)])  # 32 places, 8 for each unit
    for i, starts in enumerate(draws.T):
        counts = np.bincount(starts, minlength=32)
        assert set(np.flatnonzero(counts)) == set(range(8 * i, 8 * i + 8))
        assert abs(counts[8 * i : 8 * i + 8] - 400).max() < 100  # five standard deviations


def test_training_reaches_every_place_of_a_section_and_no_other() -> None:
    np.random.seed(0)
    sampler = SampleActionUnits(2, 4, 2)
    starts = np.array([sampler.sample(40)[:, 0] for _ in range(2000)])
    assert set(starts[:, 0]) == set(range(14))  # frames 0..19 hold starts 0..13
    assert set(starts[:, 1]) == set(range(20, 34))


def test_keys_are_those_of_sample_frames_and_start_index_shifts() -> None:
    sampler = SampleActionUnits(3, 2, 1, test_mode=True)
    from_zero = sampler.transform(dict(total_frames=30, start_index=0))
    from_one = sampler.transform(dict(total_frames=30, start_index=1))
    assert (from_one["frame_inds"] == from_zero["frame_inds"] + 1).all()
    assert from_zero["frame_inds"].shape == (6,)
    assert {k: from_zero[k] for k in ("clip_len", "frame_interval", "num_clips")} == {
        "clip_len": 2,
        "frame_interval": 1,
        "num_clips": 3,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(num_units=0, clip_len=1), "num_units must be a whole number of at least 1, got 0"),
        (dict(num_units=4, clip_len=0), "clip_len"),
        (dict(num_units=4, clip_len=2.5), "clip_len"),
        (dict(num_units=4, clip_len=2, frame_interval=-1), "frame_interval"),
        (dict(num_units=4, clip_len=2, short="loop"), "'shrink' or 'overlap', got 'loop'"),
    ],
)
def test_wrong_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SampleActionUnits(**options)


def test_a_video_without_frames_is_named() -> None:
    with pytest.raises(ValueError, match=r"empty\.mp4 has 0 frames"):
        SampleActionUnits(4, 8).transform(dict(total_frames=0, start_index=0, filename="empty.mp4"))
