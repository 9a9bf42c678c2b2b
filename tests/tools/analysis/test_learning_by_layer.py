"""The table of how blocks begin to learn, against figures taken by hand from the same network."""

from argparse import Namespace

import pytest
import torch
from learning_by_layer import TRUNK, LayerWatch
from mmaction.registry import MODELS
from torch import nn

from f4d_mmaction.engine.launch import ConfigError


class Network(nn.Module):
    """Two units of one channel; its inputs come as they are."""

    def __init__(self) -> None:
        super().__init__()
        trunk = dict(type="ResNet4d", depth=18, base_channels=4, pretrained=None)
        self.backbone = MODELS.build(dict(trunk, placement=[0, "last", 0, 0]))

    def data_preprocessor(self, batch: dict) -> dict:
        return batch


def test_frozen_weights_are_passed_over_and_networks_without_blocks_told():
    network = Network()
    network.backbone.conv1.requires_grad_(False)
    runner = Namespace(model=network, optim_wrapper=None, val_dataloader=[dict(inputs=None)])
    watch = LayerWatch(1)
    watch.look = lambda *args: None
    watch.before_train(runner)
    network.backbone(torch.rand(2, 2, 3, 4, 32, 32)).sum().backward()
    assert set(watch.squares) == {TRUNK, "layer2_1"}
    network.backbone.blocks4d = nn.ModuleDict()
    with pytest.raises(ConfigError, match="no 4D blocks"):
        watch.before_train(runner)


def test_rows_hold_branch_gain_and_gradient():
    torch.manual_seed(0)
    network, watch = Network().train(), LayerWatch(1)
    watch.batch = dict(inputs=torch.rand(2, 1, 2, 3, 4, 32, 32))
    block = network.backbone.blocks4d["layer2_1"]
    watch.steps = 2
    watch.keep_gradient("layer2_1", torch.full((4,), 3.0))
    watch.scale = lambda: 4.0  # as mixed precision scales the loss; a step that overflows is none
    watch.keep_gradient("layer2_1", torch.full((4,), 4.0))
    watch.keep_gradient("layer2_1", torch.full((4,), torch.inf))
    watch.look(network, 1)
    (first, trunk), network = watch.rows, network.eval()
    with torch.no_grad():
        seen = []
        handle = block.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        network.backbone(watch.batch["inputs"][:, 0])
        handle.remove()
        x = seen[0]
        branch = block.conv(x.transpose(1, 2))
        branch = block.norm(branch.flatten(2, 3)).unflatten(2, branch.shape[2:4]).relu()
        gain, branch = 1, branch.transpose(1, 2)
        for attention in block.attention.values():
            gain = gain * (1 + attention.attention_map(branch))
            branch = attention(branch)
    weight = sum(float(p.detach().square().sum()) for p in block.parameters())
    assert first[:2] == ["1", "layer2_1"]
    assert float(first[2]) == pytest.approx(float(branch.norm() / x.norm()), abs=1e-3)
    assert float(first[3]) == pytest.approx(float(gain.mean()), abs=0.01)
    assert float(first[4]) == pytest.approx(float(gain.std()), abs=1e-3)
    assert float(first[5]) == pytest.approx(((36 + 4) / 2 / weight) ** 0.5, abs=1e-3)
    assert trunk[1:] == [TRUNK, "", "", "", "0.0000"]
    assert network.backbone.blocks4d["layer2_1"]._forward_hooks == {}
