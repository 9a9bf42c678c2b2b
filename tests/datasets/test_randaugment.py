"""RandAugment for videos: every operation works, and all frames of a video get the same."""

import numpy as np
import pytest

from f4d_mmaction.datasets.transforms import RandAugmentUnits
from f4d_mmaction.datasets.transforms.randaugment import OPERATIONS


@pytest.fixture
def image() -> np.ndarray:
    ramp = np.linspace(40, 200, 24 * 20 * 3).reshape(24, 20, 3)
    return (ramp + np.random.default_rng(0).normal(0, 15, ramp.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "identity"])
@pytest.mark.parametrize("level", [-0.9, 0.9])
def test_operation_changes_the_picture_alone(name: str, level: float, image: np.ndarray) -> None:
    kept = image.copy()
    changed = OPERATIONS[name](image, level)
    assert changed.shape == image.shape
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, image)
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize(
    "name", [name for name in OPERATIONS if name not in ("auto_contrast", "equalize", "posterize")]
)
def test_no_magnitude_is_no_change(name: str, image: np.ndarray) -> None:
    np.testing.assert_allclose(OPERATIONS[name](image, 0.0).astype(int), image, atol=1)


def test_posterize_keeps_high_bits(image: np.ndarray) -> None:
    np.testing.assert_array_equal(OPERATIONS["posterize"](image, 1.0), image & 0xF0)


@pytest.mark.parametrize("seed", range(20))
def test_all_frames_get_the_same(seed: int, image: np.ndarray) -> None:
    np.random.seed(seed)
    frames = RandAugmentUnits()(dict(imgs=[image, image.copy(), image.copy()]))["imgs"]
    np.testing.assert_array_equal(frames[0], frames[1])
    np.testing.assert_array_equal(frames[0], frames[2])


def test_videos_differ(image: np.ndarray) -> None:
    np.random.seed(0)
    results = {RandAugmentUnits()(dict(imgs=[image]))["imgs"][0].tobytes() for _ in range(20)}
    assert len(results) > 10


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match=r"\[0, 10\], got 11"):
        RandAugmentUnits(magnitude=11)
    with pytest.raises(ValueError, match="negative"):
        RandAugmentUnits(num_ops=-1)
