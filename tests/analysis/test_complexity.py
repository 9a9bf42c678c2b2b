"""Counts of the complexity tool against closed forms and a plain counter of modules."""

from pathlib import Path

import pytest
import torch
from complexity import compare, to_markdown
from mmaction.registry import MODELS
from mmengine.config import Config
from torch import nn

import f4d_mmaction  # noqa: F401
from f4d_mmaction.analysis.complexity import complexity, protocol
from f4d_mmaction.analysis.report import write_section

CONFIGS = Path(__file__).parents[2] / "configs" / "recognition"
U, T, SIZE = 2, 3, 32
WIDTHS = {1: 16, 2: 32, 3: 64, 4: 128}  # channels of conv2 to conv5 of the small trunk
PIXELS = {1: 64, 2: 16, 3: 4, 4: 1}  # of SIZE x SIZE after conv2 to conv5


def small(kind: str) -> Path:
    return CONFIGS / kind / f"{kind}_r18_phase_order.py"


def count_conv3d_modules(config: Config) -> int:
    """Multiply-adds of a trunk's nn.Conv3d modules, from the outputs of a real forward pass."""
    total = 0

    def add(module: nn.Conv3d, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output[0, 0].numel() * output.shape[0] * module.weight.numel()

    backbone = MODELS.build(config.model.backbone)
    for module in backbone.modules():
        if isinstance(module, nn.Conv3d):
            module.register_forward_hook(add)
    backbone(torch.zeros(1, U, 3, T, SIZE, SIZE))
    return total


def test_trunk_counts_each_convolution_and_head_its_matrix():
    found = complexity(small("slowonly"), U, T, SIZE)
    assert found.parts["trunk"].macs == count_conv3d_modules(Config.fromfile(small("slowonly")))
    assert found.parts["head"].macs == 128 * 8
    assert found.parts["conv4d"].macs == found.parts["attention"].macs == 0
    model = MODELS.build(Config.fromfile(small("slowonly")).model)
    assert found.params == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("kernel", "taps"), [((3, 3, 1, 1), 9), ((3, 3, 3, 3), 81)])
def test_v4d_counts_the_functional_4d_convolution(kernel, taps):
    config = Config.fromfile(small("v4d"))
    config.model.backbone.block4d.kernel_size = kernel
    found = complexity(config, U, T, SIZE)
    C, blocks = WIDTHS[2], 2
    assert found.parts["conv4d"].macs == blocks * taps * C * C * U * T * PIXELS[2]
    assert found.parts["conv4d"].params == blocks * (taps * C * C + 2 * C)
    assert found.parts["trunk"] == complexity(small("slowonly"), U, T, SIZE).parts["trunk"]


def test_f4d_counts_both_factors_and_all_attention():
    found = complexity(small("f4d"), U, T, SIZE)
    conv = attention = 0
    for stage, C in WIDTHS.items():
        M, positions = C // 8, U * T * PIXELS[stage]
        conv += (3 * C * M + 3 * M * C) * positions
        hidden = max(C // 16, 1)
        mlp = 2 * C * hidden + hidden * C  # squeezed twice, excited once
        attention += U * mlp + 2 * 3 * U * T + (2 * 2 * 9 + 2 * 3) * positions
    assert found.parts["conv4d"].macs == conv
    assert found.parts["attention"].macs == attention


def test_paper_reading_costs():
    """The figures of docs/paper.md that told the readings apart (two of the paper's Table I)."""
    names = ("slowonly/slowonly", "v4d/v4d", "f4d/f4d_r50_conv3_matched_sthv1", "f4d/f4d")
    paths = [name if "sthv1" in name else f"{name}_r50_sthv1" for name in names]
    costs = [complexity(CONFIGS / f"{path}.py", 4, 8, 224) for path in paths]
    assert [round(cost.params / 1e6, 2) for cost in costs] == [31.99, 36.71, 36.78, 36.87]
    assert [round(cost.macs / 1e9, 1) for cost in costs] == [167.0, 285.3, 285.3, 186.7]


@pytest.mark.parametrize("wrong", [dict(num_units=0), dict(clip_len=-1), dict(size=0)])
def test_refuses_empty_videos(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        complexity(small("f4d"), **wrong)


def test_a_compiled_network_costs_what_it_costs():
    config = Config.fromfile(small("f4d"))
    plain = complexity(config, U, T, SIZE)
    config.model.backbone.compile = True
    assert complexity(config, U, T, SIZE) == plain


def test_a_size_that_the_network_does_not_take_is_told():
    with pytest.raises(ValueError, match="not on U4 x T2 at 64: num_segments"):
        complexity(CONFIGS / "tsm" / "tsm_r18_phase_order.py", 4, 2, 64)


def test_protocol_is_read_off_the_config():
    assert protocol(Config.fromfile(CONFIGS / "f4d" / "f4d_r50_sthv1.py")) == (10, 8, 3)


def test_tables_hold_every_network_and_go_into_a_document(tmp_path):
    records = compare([small("slowonly"), small("f4d")], U, [1, T], SIZE)
    single = complexity(small("f4d"), U, T, SIZE)
    assert records[1]["costs"][1]["macs"] == single.macs
    text = to_markdown(records)
    assert text.count("f4d_r18_phase_order") == 2
    document = tmp_path / "page.md"
    document.write_text("before\n<!-- cost -->\nold\n<!-- /cost -->\nafter\n")
    write_section(document, "cost", text)
    assert document.read_text() == f"before\n<!-- cost -->\n{text}\n<!-- /cost -->\nafter\n"
    with pytest.raises(ValueError, match="no section"):
        write_section(document, "other", text)
