"""The residual blocks: what they compute, that they start near identity, and that they learn."""

from functools import partial

import pytest
import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from f4d_mmaction.models import F4DBlock, V4DBlock, matched_width

N, U, C, T, H, W = 2, 4, 32, 4, 6, 6

BLOCKS = {
    "F4D": dict(type="F4DBlock"),
    "F4D C/8": dict(type="F4DBlock", mid_channels=1 / 8),
    "F4D spatial": dict(type="F4DBlock", kernel_size=(3, 3, 3, 3), mid_channels=8),
    "F4D plain": dict(type="F4DBlock", attention=(), dropout=0.0),
    "F4D TA+CA": dict(type="F4DBlock", attention=("TemporalAttention", "ChannelAttention")),
    "F4D STA first": dict(
        type="F4DBlock", attention=("SpatioTemporalAttention", "TemporalAttention")
    ),
    "V4D": dict(type="V4DBlock"),
    "F4D GN": dict(type="F4DBlock", norm_cfg=dict(type="GN", num_groups=4)),
    "V4D GN": dict(type="V4DBlock", norm_cfg=dict(type="GN", num_groups=4)),
    "V4D as its code": dict(type="V4DBlock", norm_cfg=None, act_cfg=None),
}


def build(name: str, **options: object) -> nn.Module:
    return MODELS.build({**BLOCKS[name], "channels": C, **options})


def features(memory: str = "channels_last_3d", dtype: torch.dtype = torch.float32) -> Tensor:
    """Features as a trunk's ReLU leaves them."""
    x = torch.randn(N * U, C, T, H, W, dtype=dtype).relu()
    if memory == "channels_last_3d":
        x = x.contiguous(memory_format=torch.channels_last_3d)
    return x.unflatten(0, (N, U)).requires_grad_()


@pytest.mark.parametrize("name", [name for name in BLOCKS if name.startswith("F4D")])
def test_f4d_block_applies_its_parts_in_the_papers_order(name: str, device: str) -> None:
    torch.manual_seed(0)
    block = build(name).double().eval()
    with torch.no_grad():
        for norm in (block.norm, block.conv.norm):
            if isinstance(norm, nn.BatchNorm3d):
                norm.running_mean.normal_()
            norm.weight.uniform_(0.5, 1)
    x = features(dtype=torch.float64)
    y = block.conv(x.transpose(1, 2))
    y = block.norm(y.flatten(3)[..., None].flatten(4)).view_as(y).relu()
    y = y.transpose(1, 2)
    for attention in block.attention.values():
        y = attention(y)  # each alone, with its own reading of the full tensor
    torch.testing.assert_close(block(x), x + y)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", BLOCKS)
def test_fresh_block_is_near_identity_and_every_parameter_learns(
    name: str, training: bool, device: str
) -> None:
    torch.manual_seed(0)
    block = build(name).train(training)
    x = features()
    y = block(x)
    change = (y - x).norm() / x.norm()
    assert 0 < change < 0.05
    (y * torch.randn_like(y)).sum().backward()
    for parameter_name, parameter in block.named_parameters():
        assert parameter.grad.abs().sum() > 0, parameter_name


def test_widths() -> None:
    assert len(F4DBlock(C).conv.spatial.weight) == matched_width(C, C, (3, 3, 1, 1)) == 48
    for make in (partial(F4DBlock, C), partial(build, "F4D")):
        assert len(make(mid_channels=0.25).conv.spatial.weight) == 8
        assert len(make(mid_channels=5).conv.spatial.weight) == 5
    for block in (F4DBlock(C), V4DBlock(C)):  # the paper's matched width costs what V4D costs
        assert sum(p.numel() for p in block.conv.parameters() if p.ndim == 5) == 9 * C * C


def test_dropout_drops_elements_in_training_only() -> None:
    torch.manual_seed(0)
    block = build("F4D plain", dropout=0.5).eval()
    x = features()
    kept = (block(x) - x).flatten(3) != 0
    block.dropout.train()
    dropped = kept & ((block(x) - x).flatten(3) == 0)
    assert 0.45 < dropped.sum() / kept.sum() < 0.55
    assert not dropped.all(3).any(), "no channel of a unit as a whole"


def test_one_attention_needs_no_list() -> None:
    assert list(build("F4D", attention="ChannelAttention").attention) == ["ChannelAttention"]
    assert not build("F4D", attention=None).attention


def test_maps_are_those_of_the_modules() -> None:
    block = build("F4D").eval()
    maps: dict = {}
    x = features()
    with torch.no_grad():
        torch.testing.assert_close(block(x, maps), block(x))
    assert {name: tuple(value.shape) for name, value in maps.items()} == {
        "TemporalAttention": (N, U, 1, T, 1, 1),
        "ChannelAttention": (N, U, C, 1, 1, 1),
        "SpatioTemporalAttention": (N, U, 1, T, H, W),
    }
    assert all(value.min() > 0 and value.max() < 1 for value in maps.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(mid_channels=1.5), "a fraction such as 0.125, got 1.5"),
        (dict(mid_channels=0), "at least 1"),
        (dict(dropout=1.5), "between 0 and 1, but got 1.5"),
        (dict(mid_channels="1/8"), "a fraction such as 0.125, got '1/8'"),
        (dict(attention=("NoSuchAttention",)), "registered.*, got 'NoSuchAttention'"),
        (dict(attention=(dict(reduction=4),)), "registered.*, got None in {'reduction': 4}"),
        (dict(attention=(None,)), "registered.*, got None in None"),
        (dict(attention=("TemporalAttention",) * 2), "names a module twice"),
        (dict(attention=dict(type="TemporalAttention", reduction=4)), "know reduction.*_delete_=T"),
    ],
)
def test_wrong_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build("F4D", **options)
