"""Flat maps: against the paper's sums with each map replaced by its mean."""

import pytest
import torch
from flat_attention import flat, kinds_of
from mmaction.registry import MODELS
from torch import nn

from f4d_mmaction.engine.launch import ConfigError
from f4d_mmaction.models.f4d import F4DBlock


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("kinds", [["ChannelAttention"], ["TemporalAttention"], "all"])
def test_a_flat_map_is_its_mean_over_each_video(fused, kinds):
    torch.manual_seed(0)
    block = MODELS.build(dict(type="F4DBlock", channels=32, fused=fused)).eval()
    nn.init.ones_(block.norm.weight)
    x = torch.rand(2, 3, 32, 4, 5, 5)
    kinds = kinds_of(block) if kinds == "all" else kinds
    with torch.no_grad():
        plain = block(x)
        y = super(F4DBlock, block).branch(x)
        for name, attention in block.attention.items():
            found = attention.attention_map(y)
            if name in kinds:
                found = torch.stack([each.mean() for each in found]).view(2, 1, 1, 1, 1, 1)
            y = y + found * y
        with flat(block, kinds):
            torch.testing.assert_close(block(x), x + y)
        torch.testing.assert_close(block(x), plain, rtol=0, atol=0)
    assert (x + y - plain).abs().max() > 1e-3


def test_a_network_without_attention_has_no_kinds():
    with pytest.raises(ConfigError, match="no block of this network has attention"):
        kinds_of(MODELS.build(dict(type="V4DBlock", channels=8)))
