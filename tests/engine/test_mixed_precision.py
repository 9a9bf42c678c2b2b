"""`tools/train.py CONFIG --amp` on the CPU."""

import json
from pathlib import Path

import pytest
from tiny_run import train, write_config


def losses(work_dir: Path) -> list[float]:
    (log,) = work_dir.glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.parametrize("block", ["F4DBlock", "V4DBlock"])
def test_bfloat16_training_has_the_losses_of_float32(
    block: str, benchmark: Path, tmp_path: Path
) -> None:
    """Of batches with two units, where oneDNN's bfloat16 gradient is wrong on its own."""
    changes = f"""
_base_.model.backbone.block4d = dict(type="{block}")
_base_.train_dataloader.num_workers = 0
_base_.train_dataloader.persistent_workers = False
for step in _base_.train_dataloader.dataset.pipeline:
    if "num_units" in step:
        step.num_units = 2
"""
    config = write_config(tmp_path, benchmark, changes)
    train(config, tmp_path / "float32")
    train(config, tmp_path / "bfloat16", "--amp")
    expected, found = losses(tmp_path / "float32"), losses(tmp_path / "bfloat16")
    assert len(found) == 12
    assert found == pytest.approx(expected, rel=0.1)
