"""A small F4D of the shipped benchmark with fixed weights, as a checkpoint on disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from f4d_mmaction.apis import load_recognizer


@pytest.fixture(scope="module", autouse=True)
def away_from_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Names of classes are read from the benchmark, if there is one where the tests are started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        yield


@pytest.fixture(scope="session")
def config_path(root: Path) -> Path:
    return root / "configs/recognition/f4d/f4d_r18_phase_order.py"


@pytest.fixture(scope="session")
def checkpoint(config_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, blocks awake, in the format of MMEngine's CheckpointHook."""
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config_path).model)
    model.init_weights()
    for block in model.backbone.blocks4d.values():
        torch.nn.init.uniform_(block.norm.weight, 0.5, 1.0)
    torch.nn.init.normal_(model.cls_head.fc_cls.weight, std=0.02)  # no score near 0 or 1
    path = tmp_path_factory.mktemp("checkpoint") / "f4d.pth"
    torch.save({"meta": {}, "state_dict": model.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def model(config_path: Path, checkpoint: Path) -> torch.nn.Module:
    return load_recognizer(config_path, checkpoint, "cpu")
