"""What holds for any size and kernel: widths match, shapes stay, videos do not mix."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mmaction.registry import MODELS
from torch import Tensor, nn

from f4d_mmaction.models import Conv4d, FactorizedConv4d, matched_width

ODD = st.sampled_from([1, 3, 5])
KERNELS = st.tuples(ODD, ODD, ODD, ODD)
WIDTHS = st.integers(1, 300)
SIZES = st.tuples(*(st.integers(1, most) for most in (3, 4, 20, 4, 4, 4)))  # N, U, C, T, H, W
LAYOUTS = st.sampled_from([torch.contiguous_format, torch.channels_last_3d])
BLOCKS = {
    "F4D": dict(type="F4DBlock", mid_channels=1 / 8),
    "V4D": dict(type="V4DBlock"),
}

few = settings(max_examples=40, deadline=None)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for m in module.modules() if isinstance(m, Conv4d) for p in m.parameters())


def features(sizes: tuple[int, ...], layout: torch.memory_format) -> Tensor:
    """(N, U, C, T, H, W) as a trunk leaves it in either layout."""
    N, U, *rest = sizes
    return torch.randn(N * U, *rest).contiguous(memory_format=layout).unflatten(0, (N, U))


def build(name: str, channels: int, kernel: tuple[int, ...]) -> nn.Module:
    """A block far from the identity: fresh ones change next to nothing."""
    block = MODELS.build({**BLOCKS[name], "channels": channels, "kernel_size": kernel})
    nn.init.ones_(block.norm.weight)
    return block


@few
@given(C=WIDTHS, out=WIDTHS, kernel=KERNELS)
def test_matched_width_is_the_widest_within_a_full_convolutions_parameters(
    C: int, out: int, kernel: tuple
) -> None:
    M = matched_width(C, out, kernel)
    with torch.device("meta"):
        full = parameters(Conv4d(C, out, kernel))
        assert parameters(FactorizedConv4d(C, out, kernel, M + 1)) > full
        if M:
            assert parameters(FactorizedConv4d(C, out, kernel)) <= full
        else:  # two channels at most, and no kernel to speak of
            assert FactorizedConv4d(C, out, kernel).spatial.weight.shape[0] == 1


@pytest.mark.parametrize("name", BLOCKS)
@few
@given(sizes=SIZES, kernel=KERNELS, layout=LAYOUTS)
def test_blocks_keep_the_shape_and_every_gradient_is_finite(
    name: str, sizes: tuple, kernel: tuple, layout: torch.memory_format
) -> None:
    assume(sizes[0] * sizes[1] * sizes[3] * sizes[4] * sizes[5] > 1)  # batch statistics of one
    torch.manual_seed(0)
    block = build(name, sizes[2], kernel)
    x = features(sizes, layout).requires_grad_()
    y = block(x)
    assert y.shape == x.shape
    y.square().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in block.parameters())


@pytest.mark.parametrize("name", BLOCKS)
@few
@given(sizes=SIZES, kernel=KERNELS, layout=LAYOUTS)
def test_a_batch_equals_its_videos_one_at_a_time(
    name: str, sizes: tuple, kernel: tuple, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    block = build(name, sizes[2], kernel).eval()
    x = features(sizes, layout)
    with torch.no_grad():
        alone = torch.cat([block(video) for video in x.split(1)])
        torch.testing.assert_close(block(x), alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", BLOCKS)
@few
@given(
    kernel=st.one_of(st.lists(st.integers(-2, 6), max_size=6), st.sampled_from([3, (3, 3.0, 1, 1)]))
)
def test_blocks_refuse_every_kernel_that_is_not_four_odd_numbers(name: str, kernel: object) -> None:
    four = isinstance(kernel, list) and len(kernel) == 4
    assume(not (four and all(size > 0 and size % 2 for size in kernel)))
    with pytest.raises(ValueError, match="four odd numbers"):
        MODELS.build({**BLOCKS[name], "channels": 4, "kernel_size": kernel})


@pytest.mark.parametrize("name", BLOCKS)
@few
@given(shape=st.lists(st.integers(0, 5), min_size=1, max_size=7))
def test_blocks_refuse_every_shape_that_is_not_theirs(name: str, shape: list) -> None:
    assume(len(shape) != 6 or shape[2] != 4 or 0 in shape)
    block = MODELS.build({**BLOCKS[name], "channels": 4})
    with pytest.raises(ValueError, match=r"expected \(N, U, 4, T, H, W\)"):
        block(torch.zeros(shape))
