"""Gradients under bfloat16 autocast against float64, on every small number of units and frames.

oneDNN 3.12 leaves taps of a kernel's gradient unwritten where a padded axis is shorter than the
kernel.
"""

import copy

import pytest
import torch
from mmaction.registry import MODELS
from torch import Tensor, nn
from trunks import TRUNKS

LENGTHS = range(1, 9)
TOLERANCE = 0.05  # of a gradient's norm; two missing taps of three are 0.8


def averaging(model: nn.Module) -> nn.Module:
    """Make all weights positive and each layer an average, so that nothing cancels.

    No ReLU is then at its kink, and a gradient differs by what rounding costs.
    """
    for module in model.modules():
        if isinstance(getattr(module, "weight", None), nn.Parameter):
            weight = module.weight.data.abs_()
            if weight.dim() > 1:
                weight /= weight.flatten(1).sum(1).view(-1, *[1] * (weight.dim() - 1))
            else:
                weight.fill_(0.2)
    return model.eval()


def gradients(model: nn.Module, x: Tensor, low: bool) -> dict[str, Tensor]:
    with torch.autocast(x.device.type, torch.bfloat16, enabled=low):
        y = model(x)
    (
        y.double() * torch.linspace(1, 2, y.numel(), dtype=torch.double).view(y.shape)
    ).sum().backward()
    return {name: parameter.grad.double() for name, parameter in model.named_parameters()}


def assert_gradients_are_right(model: nn.Module, x: Tensor) -> None:
    model = averaging(model)
    reference = copy.deepcopy(model).double().to(memory_format=torch.contiguous_format)
    reference.channels_last = False
    exact = gradients(reference, x.double(), low=False)
    for name, found in gradients(model, x, low=True).items():
        error = (found - exact[name]).norm() / exact[name].norm()
        assert error < TOLERANCE, f"{name} at {tuple(x.shape)}: {error}"  # false for nan


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kernel_size", [(3, 3, 1, 1), (3, 3, 3, 3)], ids=str)
@pytest.mark.parametrize("kind", ["F4DBlock", "V4DBlock"])
@pytest.mark.parametrize("units", LENGTHS)
def test_blocks(kind: str, kernel_size: tuple, units: int, fused: bool) -> None:
    torch.manual_seed(0)
    for frames in LENGTHS:
        block = MODELS.build(dict(type=kind, channels=8, kernel_size=kernel_size, fused=fused))
        assert_gradients_are_right(block, torch.rand(2, units, 8, frames, 4, 4))


@pytest.mark.parametrize("channels_last", [True, False], ids=["last", "first"])
@pytest.mark.parametrize("name", TRUNKS)
def test_networks(name: str, channels_last: bool) -> None:
    torch.manual_seed(0)
    for frames in LENGTHS:
        options = {**TRUNKS[name][1], "channels_last": channels_last}
        if "pool2" in MODELS.get(name).after_first_stage:
            options["with_pool2"] = False  # rounding decides which of two frames is the larger
        model = MODELS.build(dict(type=name, **copy.deepcopy(options)))
        assert_gradients_are_right(model, torch.rand(2, 2, 3, frames, 32, 32))
