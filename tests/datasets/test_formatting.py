"""FormatActionUnits: every frame at its place, view by view."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.registry import TRANSFORMS

from f4d_mmaction.datasets.transforms import FormatActionUnits


def results_of(frames: list, units: int, clip_len: int) -> dict:
    return dict(imgs=frames, num_clips=units, clip_len=clip_len)


@given(views=st.integers(1, 3), units=st.integers(1, 5), clip_len=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_every_frame_lands_at_its_view_unit_and_time(views: int, units: int, clip_len: int) -> None:
    frames = [
        np.random.randint(256, size=(4, 6, 3), dtype=np.uint8)
        for _ in range(views * units * clip_len)
    ]
    packed = FormatActionUnits().transform(results_of(frames, units, clip_len))["imgs"]
    assert packed.shape == (views, units, 3, clip_len, 4, 6)
    assert packed.dtype == np.uint8
    for view in range(views):
        for unit in range(units):
            for t in range(clip_len):
                frame = frames[(view * units + unit) * clip_len + t]
                assert (packed[view, unit, :, t] == frame.transpose(2, 0, 1)).all()


def test_three_crops_are_three_views_of_the_whole_sequence() -> None:
    frames = [np.random.randint(256, size=(8, 24, 3), dtype=np.uint8) for _ in range(6)]
    results = results_of(list(frames), units=3, clip_len=2)
    results.update(img_shape=(8, 24), modality="RGB")
    results = TRANSFORMS.build(dict(type="ThreeCrop", crop_size=8)).transform(results)
    packed = FormatActionUnits().transform(results)["imgs"]
    assert packed.shape == (3, 3, 3, 2, 8, 8)
    for view, left in enumerate((0, 16, 8)):  # left, right, center as ThreeCrop orders them
        for i, frame in enumerate(frames):
            crop = frame[:, left : left + 8].transpose(2, 0, 1)
            assert (packed[view, i // 2, :, i % 2] == crop).all()


@pytest.mark.parametrize(
    ("widths", "message"),
    [([4] * 7, "7 frames are no whole number of views of 3 units x 2"), ([4] * 5 + [5], "in size")],
)
def test_frames_that_make_no_views_are_told(widths: list[int], message: str) -> None:
    frames = [np.zeros((4, width, 3), np.uint8) for width in widths]
    with pytest.raises(ValueError, match=message):
        FormatActionUnits().transform(results_of(frames, 3, 2))
