"""The devices that tests of tensors run on."""

from collections.abc import Iterator

import pytest
import torch

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Make new tensors and modules on each device that this machine has."""
    if request.param == "cpu":
        yield "cpu"
    else:
        with torch.device(request.param):
            yield request.param
