"""Each row of Tables II to V is the network that its name says."""

from __future__ import annotations

import pytest
import torch
import yaml
from mmaction.registry import MODELS
from mmengine.config import Config
from reduction import RECOGNITION, sampler

TABLES = yaml.safe_load((RECOGNITION / "zoo.yml").read_text())["tables"]
ATTENTION = {
    "no attention": [],
    "TA": ["TemporalAttention"],
    "CA": ["ChannelAttention"],
    "STA": ["SpatioTemporalAttention"],
    "SE": ["SEAttention"],
    "CBAM": ["CBAMAttention"],
    "STM block": ["STMAttention"],
    "TEA block": ["TEAAttention"],
}


def config(table: str, row: str) -> Config:
    return Config.fromfile(RECOGNITION / "f4d" / f"{TABLES[table][row][0]}_sthv1.py")


def backbone(table: str, row: str) -> torch.nn.Module:
    with torch.device("meta"):
        return MODELS.build({**config(table, row).model.backbone, "pretrained": None})


@pytest.mark.parametrize("row", TABLES["table2"])
def test_location(row: str) -> None:
    first, _, last = row.removeprefix("conv").partition("-")
    stages = range(int(first) - 1, int(last or first))
    last_block = {0: "stem", 1: "layer1_2", 2: "layer2_3", 3: "layer3_5", 4: "layer4_2"}
    assert set(backbone("table2", row).blocks4d) == {last_block[stage] for stage in stages}


@pytest.mark.parametrize("row", TABLES["table3"])
def test_number_of_units(row: str) -> None:
    found = config("table3", row)
    assert f"U = {sampler(found, 'train').num_units}" == row
    assert sampler(found, "test").num_units == 10


@pytest.mark.parametrize("table", ["table4", "table5"])
def test_attention(table: str) -> None:
    for row in TABLES[table]:
        wanted = [module for name in row.split(" + ") for module in ATTENTION[name]]
        blocks = backbone(table, row).blocks4d
        assert len(blocks) == 4
        for block in blocks.values():
            assert list(block.attention) == wanted, row


def test_rows_differ_in_what_the_table_is_about_alone() -> None:
    """All train on 4 units of 8 frames from Kinetics-400, but for the table's own change."""
    base = config("table2", "conv2-5")
    for table, rows in TABLES.items():
        for row in rows:
            found = config(table, row)
            assert found.load_from == base.load_from
            assert found.optim_wrapper == base.optim_wrapper
            assert found.test_dataloader == base.test_dataloader
            assert found.model.cls_head == base.model.cls_head
            if table != "table3":
                assert found.train_dataloader == base.train_dataloader
