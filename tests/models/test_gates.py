"""Attention's passes over features, against their definitions and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from f4d_mmaction.models.gates import FramePools, PixelPools, gated, gated_sum

N, U, C, T, H, W = 2, 2, 3, 2, 3, 4
LAYOUTS = dict(
    first=(N, U, C, T, H, W), last=(N, U, T, H, W, C), width_before_height=(N, U, C, T, W, H)
)


def features(layout: str) -> Tensor:
    """Distinct numbers in double precision, so that every maximum is at one place."""
    torch.manual_seed(0)
    x = torch.randperm(N * U * C * T * H * W).double().view(LAYOUTS[layout]) / 10 - 5
    x = dict(first=x, last=x.movedim(5, 2), width_before_height=x.transpose(4, 5))[layout]
    return x.detach().requires_grad_()


def gains(frames: tuple | None, pixels: bool) -> tuple[Tensor | None, Tensor | None]:
    torch.manual_seed(1)
    per_frame = None if frames is None else torch.rand(frames).double().requires_grad_()
    per_pixel = torch.rand(N, U, T, H, W).double().requires_grad_() if pixels else None
    return per_frame, per_pixel


GAINS = [
    ((N, U, C, T), True),
    ((N, U, C, 1), True),
    ((N, U, 1, T), False),
    ((N, U, C, T), False),
    (None, True),
    (None, False),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_frame_pools(layout: str) -> None:
    x = features(layout)
    pools = FramePools.of(x)
    torch.testing.assert_close(pools.mean, x.mean((4, 5)))
    torch.testing.assert_close(pools.peak, x.amax((4, 5)))
    with torch.no_grad():
        torch.testing.assert_close(FramePools.of(x), pools)
    assert gradcheck(lambda x: tuple(FramePools.of(x)), x)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rows", [2, 3], ids=["in fours", "one by one"])
def test_compiled_frame_pools(layout: str, rows: int) -> None:
    x = features(layout)[..., :rows, :2].detach()
    mean, peak = torch.compile(FramePools.of, backend="eager", fullgraph=True)(x)
    torch.testing.assert_close(mean, x.mean((4, 5)))
    torch.testing.assert_close(peak, x.amax((4, 5)))


@pytest.mark.parametrize("frames", [None, (N, U, C, T), (N, U, C, 1), (N, U, 1, T)], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pixel_pools(layout: str, frames: tuple | None) -> None:
    x, (gain, _) = features(layout), gains(frames, pixels=False)
    pools = PixelPools.of(x, gain)
    weighted = x if gain is None else x * gain[..., None, None]
    torch.testing.assert_close(pools.mean, weighted.mean(2))
    torch.testing.assert_close(pools.peak, weighted.amax(2))
    with torch.no_grad():
        torch.testing.assert_close(PixelPools.of(x, gain), pools)
    inputs = (x,) if gain is None else (x, gain)
    assert gradcheck(lambda *given: tuple(PixelPools.of(*given)), inputs)


@pytest.mark.parametrize(("frames", "pixels"), GAINS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gated_sum(layout: str, frames: tuple | None, pixels: bool) -> None:
    x, y = features("last"), features(layout)
    per_frame, per_pixel = gains(frames, pixels)
    expected = y
    if frames:
        expected = expected * per_frame[..., None, None]
    if pixels:
        expected = expected * per_pixel[:, :, None]
    torch.testing.assert_close(gated(y, per_frame, per_pixel), expected)
    torch.testing.assert_close(gated_sum(x, y, per_frame, per_pixel), x + expected)
    given = [gain for gain in (per_frame, per_pixel) if gain is not None]

    def by_position(x: Tensor, y: Tensor, *given: Tensor) -> Tensor:
        left = list(given)
        return gated_sum(x, y, left.pop(0) if frames else None, left.pop(0) if pixels else None)

    assert gradcheck(by_position, (x, y, *given))


def test_without_gradients_the_sum_takes_the_memory_of_what_is_weighed() -> None:
    with torch.no_grad():
        y = features("last").clone(memory_format=torch.preserve_format)
        x, place = torch.ones_like(y), y.data_ptr()
        assert gated_sum(x, y, *gains((N, U, C, T), pixels=True)).data_ptr() == place


def test_equal_maxima_share_one_gradient() -> None:
    x = torch.zeros(1, 1, 4, 1, 2, 2, requires_grad=True)
    sum(pool.peak.sum() for pool in (FramePools.of(x), PixelPools.of(x))).backward()
    assert x.grad.sum() == 4 + 4  # one of each frame's pixels, one of each pixel's channels
