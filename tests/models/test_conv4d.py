"""4D convolutions against a plain loop written from the paper's equation (1)."""

import functools
import itertools

import pytest
import torch
from torch import Tensor

from f4d_mmaction.models import Conv4d, FactorizedConv4d
from f4d_mmaction.models.conv4d_views import conv4d

KERNELS = [(3, 3, 1, 1), (3, 1, 1, 1), (1, 3, 1, 1), (3, 1, 3, 3), (5, 3, 1, 3), (1, 3, 3, 3)]
N, C, U, T, H, W = 2, 5, 4, 3, 4, 6


def loop_conv4d(x: Tensor, weight: Tensor) -> Tensor:
    """Equation (1) with zero padding: sum over channels and the four kernel offsets."""
    u, t, h, w = weight.shape[2:]
    sizes = x.shape[2:]
    y = x.new_zeros(x.shape[0], weight.shape[0], *sizes)
    for position in itertools.product(*map(range, sizes)):
        for tap in itertools.product(range(u), range(t), range(h), range(w)):
            source = [p + k - size // 2 for p, k, size in zip(position, tap, (u, t, h, w))]
            if all(0 <= s < size for s, size in zip(source, sizes)):
                y[(slice(None), slice(None), *position)] += (
                    x[(slice(None), slice(None), *source)]
                    @ weight[(slice(None), slice(None), *tap)].T
                )
    return y


def four_d_form(memory: str, dtype: torch.dtype = torch.float64) -> Tensor:
    """(N, C, U, T, H, W) as the trunk's 3D form gives it in either memory layout."""
    torch.manual_seed(0)
    x = torch.randn(N * U, C, T, H, W, dtype=dtype)
    if memory == "channels_last_3d":
        x = x.contiguous(memory_format=torch.channels_last_3d)
    return x.unflatten(0, (N, U)).transpose(1, 2).requires_grad_()


@functools.cache
def by_loop(kernel: tuple, device: str) -> tuple[Tensor, ...]:
    """Weight, output, and gradients by input and weight for the output's cosine.

    Made on ``device``, the default one of a test.
    """
    x = four_d_form("contiguous")
    weight = torch.randn(3, C, *kernel, dtype=torch.float64, requires_grad=True)
    y = loop_conv4d(x, weight)
    return weight.detach(), y.detach(), *torch.autograd.grad(y, [x, weight], y.detach().cos())


@pytest.mark.parametrize("memory", ["contiguous", "channels_last_3d"])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("views", [False, True], ids=["definition", "views"])
def test_conv4d_equals_the_loop_in_values_and_gradients(
    kernel: tuple, memory: str, bias: bool, views: bool, device: str
) -> None:
    weight, expected, by_input, by_weight = by_loop(kernel, device)
    expected_gradients = [by_input, by_weight.flatten(4)]
    seed = expected.cos()
    x = four_d_form(memory)
    conv = Conv4d(C, 3, kernel, bias=bias).double()
    conv.weight.data = weight.flatten(4)
    if bias:
        torch.nn.init.normal_(conv.bias)
        expected = expected + conv.bias.view(-1, 1, 1, 1, 1)
        expected_gradients.append(seed.sum((0, 2, 3, 4, 5)))
    got = conv4d(x, conv.weight, kernel, conv.bias) if views else conv(x)
    torch.testing.assert_close(got, expected)
    gradients = torch.autograd.grad(got, [x, *conv.parameters()], seed)
    torch.testing.assert_close(list(gradients), expected_gradients)


@pytest.mark.parametrize("memory", ["contiguous", "channels_last_3d"])
@pytest.mark.parametrize("kernel", [(3, 3, 1, 1), (3, 3, 3, 3)])
def test_factorized_conv4d_equals_two_loops(kernel: tuple, memory: str, device: str) -> None:
    torch.manual_seed(0)
    conv = FactorizedConv4d(C, 3, kernel).double().eval()
    conv.norm.running_mean.normal_()
    x = four_d_form(memory)
    h, w = kernel[2:]
    middle = loop_conv4d(x, conv.spatial.weight.unflatten(4, (h, w)))
    scale = (conv.norm.weight / (conv.norm.running_var + conv.norm.eps).sqrt()).view(-1, 1, 1, 1, 1)
    middle = ((middle - conv.norm.running_mean.view(-1, 1, 1, 1, 1)) * scale).relu()
    expected = loop_conv4d(middle, conv.temporal.weight.unflatten(4, (1, 1)))
    torch.testing.assert_close(conv(x), expected)


@pytest.mark.parametrize("shape", [(1, 4, 2, 2, 2), (1, 3, 2, 2, 2, 2), (1, 4, 0, 2, 2, 2)])
def test_inputs_of_another_shape_are_refused(shape: tuple) -> None:
    with pytest.raises(ValueError, match=r"expected \(N, 4, U, T, H, W\)"):
        Conv4d(4, 4)(torch.zeros(shape))
