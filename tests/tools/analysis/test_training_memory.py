"""The count of what autograd keeps, against recomputation and against autograd's own hooks."""

from __future__ import annotations

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from reduction import RECOGNITION
from training_memory import training_bytes

SMALL = RECOGNITION / "f4d" / "f4d_r18_phase_order.py"


def test_recomputation_keeps_less() -> None:
    kept = []
    no_blocks = {"placement": [0, 0, 0, 0]}
    for options in ({}, {"block4d.with_cp": True}, no_blocks, {"with_cp": True}):
        config = Config.fromfile(SMALL)
        config.merge_from_dict({f"model.backbone.{key}": v for key, v in options.items()})
        fixed, per_video = training_bytes(config, 2, 4, 64)
        kept.append(per_video)
        assert fixed > 0
    plain, blocks, trunk, everything = kept
    assert plain > blocks > everything > 0
    assert trunk <= blocks <= 1.1 * trunk  # a recomputed block keeps its input and its output


def test_bytes_kept_are_those_that_autograd_asks_for() -> None:
    """The counter sees what is alive; autograd's hooks see what is saved."""
    config = Config.fromfile(SMALL)
    with torch.device("meta"):
        model = MODELS.build(config.model).to("meta").train()
        x, saved = torch.empty(1, 1, 2, 3, 4, 64, 64), {}
    given = {p.untyped_storage()._cdata for p in [*model.parameters(), *model.buffers(), x]}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scores = model(x, mode="tensor", stage="head")
    assert scores.requires_grad
    nbytes = sum(storage.nbytes() for key, storage in saved.items() if key not in given)
    assert training_bytes(config, 2, 4, 64)[1] == pytest.approx(nbytes, rel=0.02)
