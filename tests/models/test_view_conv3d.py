"""`ViewConv3d` against `nn.Conv3d`."""

import pytest
import torch
from torch import nn

from f4d_mmaction.models import ViewConv3d

IN_VIEWS = [
    dict(kernel_size=1),
    dict(kernel_size=(1, 3, 3), padding=(0, 1, 1)),
    dict(kernel_size=(1, 3, 5), stride=(1, 2, 3), padding=(0, 2, 1), dilation=(1, 2, 1), bias=True),
    dict(kernel_size=(1, 7, 7), groups=2),
    dict(kernel_size=(3, 1, 1), padding=(1, 0, 0)),
    dict(kernel_size=(3, 1, 1), stride=(2, 1, 1), padding=(2, 0, 0), dilation=(2, 1, 1), bias=True),
]
IN_3D = [
    dict(kernel_size=3, padding=1),
    dict(kernel_size=1, stride=2),
    dict(kernel_size=1, stride=(2, 1, 1), padding=(1, 0, 0)),
    dict(kernel_size=(3, 1, 1), stride=(1, 2, 1)),
    dict(kernel_size=(1, 3, 3), padding=1, padding_mode="replicate"),
    dict(kernel_size=(1, 3, 3), padding=(1, 1, 1)),
]


def pair(**settings: object) -> tuple[nn.Conv3d, ViewConv3d]:
    torch.manual_seed(0)
    plain = nn.Conv3d(4, 6, **{"bias": False, **settings})
    other = ViewConv3d(4, 6, **{"bias": False, **settings})
    other.load_state_dict(plain.state_dict())
    return plain, other


@pytest.mark.parametrize("channels_last", [True, False], ids=["last", "first"])
@pytest.mark.parametrize("settings", IN_VIEWS + IN_3D, ids=str)
def test_numbers_and_gradients_are_those_of_conv3d(settings: dict, channels_last: bool) -> None:
    plain, other = pair(**settings)
    layout = torch.channels_last_3d if channels_last else torch.contiguous_format
    x = torch.randn(2, 4, 5, 9, 8).contiguous(memory_format=layout)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [conv(value) for conv, value in zip((plain, other), inputs)]
    torch.testing.assert_close(outputs[1], outputs[0])
    with torch.no_grad():
        torch.testing.assert_close(other(x), outputs[0])
    weights = torch.randn_like(outputs[0])
    for output in outputs:
        (output * weights).sum().backward()
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad)
    for name, parameter in plain.named_parameters():
        found = other.get_parameter(name).grad
        torch.testing.assert_close(found, parameter.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("settings", IN_VIEWS[1:3], ids=str)
def test_a_norm_after_it_has_the_gradients_of_conv3d(settings: dict, frames: int) -> None:
    """PyTorch's are wrong on the CPU for some strides of an axis of one frame."""
    x = torch.randn(4, 4, frames, 9, 8)
    gradients = []
    for conv, memory in zip(pair(**settings), (torch.contiguous_format, torch.channels_last_3d)):
        norm = nn.BatchNorm3d(6)
        y = conv(x.contiguous(memory_format=memory).requires_grad_())
        weights = torch.linspace(-1, 1, y.numel()).view(y.shape)
        (norm(y) * weights).sum().backward()
        gradients.append([conv.weight.grad, norm.weight.grad])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", IN_VIEWS, ids=str)
def test_channels_last_stay_last(settings: dict) -> None:
    _, conv = pair(**settings)
    conv = conv.to(memory_format=torch.channels_last_3d)
    x = torch.randn(2, 4, 5, 9, 8).contiguous(memory_format=torch.channels_last_3d)
    with torch.no_grad():
        assert conv(x).is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("padding", [1, (1, 0, 0)])
@pytest.mark.parametrize("sizes", [(2, 7, 7), (2, 2, 7), (2, 2, 2), (5, 2, 7), (4, 4, 4)], ids=str)
@pytest.mark.parametrize("channels_last", [True, False], ids=["last", "first"])
def test_low_precision_gradients_on_axes_of_two(
    sizes: tuple, padding: object, channels_last: bool
) -> None:
    """oneDNN 3.12 leaves taps of a bfloat16 kernel's gradient unwritten there."""
    kernel = 3 if padding == 1 else (3, 1, 1)
    plain, other = pair(kernel_size=kernel, padding=padding)
    layout = torch.channels_last_3d if channels_last else torch.contiguous_format
    x = torch.randn(4, 4, *sizes).contiguous(memory_format=layout)
    plain(x).square().sum().backward()
    with torch.autocast("cpu", torch.bfloat16):
        y = other(x)
    y.float().square().sum().backward()
    difference = other.weight.grad - plain.weight.grad
    assert difference.norm() < 0.02 * plain.weight.grad.norm()


def test_low_precision_of_single_frames_with_odd_channels() -> None:
    """oneDNN to 3.12 with AMX reads memory that is no input there."""
    torch.manual_seed(0)
    conv, x = ViewConv3d(9, 9, 3, padding=1), torch.randn(2, 9, 1, 5, 4)
    for _ in range(3):
        freed = [torch.full((size,), 1e20) for size in (200, 500, 2000, 8000) for _ in range(20)]
        del freed
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            y = conv(x)
        torch.testing.assert_close(y.float(), conv(x), rtol=0, atol=0.02)
