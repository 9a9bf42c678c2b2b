"""Recast trunks: the trunk untouched, units free, host settings honored."""

import copy
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.model import revert_sync_batchnorm
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from trunks import TRUNKS, torchvision_name

from f4d_mmaction.models import F4DBlock, V4DBlock
from f4d_mmaction.models.recomputation import recomputed
from f4d_mmaction.models.weights import ForeignCheckpointError

N, U, T, SIZE = 2, 3, 4, 32
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def build(name: str = "ResNet4d", **options: object) -> nn.Module:
    torch.manual_seed(0)
    model = MODELS.build(dict(type=name, **{**TRUNKS[name][1], **options}))
    model.init_weights()
    return model


def videos(units: int = U, size: int = SIZE) -> Tensor:
    return torch.randn(N, units, 3, T, size, size)


def randomize_gammas(model: nn.Module) -> nn.Module:
    """Draw the last gammas of the blocks: a fresh one is close to the identity."""
    for block in model.blocks4d.values():
        if getattr(block, "norm", None) is not None:
            nn.init.uniform_(block.norm.weight, 0.5, 1.0)
    return model


@pytest.mark.parametrize("name", TRUNKS)
def test_without_block_output_it_is_the_trunk(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trunk_name, options = TRUNKS[name]
    model = build(name).eval()
    trunk = MODELS.build(dict(type=trunk_name, **copy.deepcopy(options)))
    missing, added = trunk.load_state_dict(model.state_dict(), strict=False)
    assert not missing
    assert added
    assert all(key.startswith("blocks4d.") for key in added)
    trunk.eval()
    monkeypatch.setattr(F4DBlock, "forward", lambda self, x, maps=None: x)
    x = videos()
    with torch.no_grad():
        # An X3D or (2+1)D trunk pools nothing; the units' outputs stand side by side in time.
        expected = trunk(x.flatten(0, 1)).unflatten(0, (N, U)).transpose(1, 2).flatten(2, 3)
        assert torch.equal(model(x), expected)


@pytest.mark.parametrize("name", TRUNKS)
def test_every_parameter_learns(name: str, device: str) -> None:
    model = build(name, zero_init_residual=False).train()
    y = model(videos(size=64))
    (y * torch.randn_like(y)).sum().backward()
    silent = [key for key, p in model.named_parameters() if not p.grad.abs().sum() > 0]
    assert not silent


@pytest.mark.parametrize("in_channels", [3, 2])
def test_2d_checkpoint_inflates_and_blocks_stay_fresh(tmp_path: Path, in_channels: int) -> None:
    """Flow, of 2 channels, takes all but the stem of images."""
    weights = {}
    for key, value in build(placement=(0, 0, 0, 0)).state_dict().items():
        shape = value[:, :, 0].shape if value.ndim == 5 else value.shape
        weights[torchvision_name(key)] = torch.rand(shape).to(value.dtype)
    torch.save(weights, tmp_path / "resnet2d.pth")
    model = build(in_channels=in_channels, pretrained=str(tmp_path / "resnet2d.pth"))
    inflated = model.layer4[0].conv1.conv.weight  # in time
    torch.testing.assert_close(inflated.sum(2), weights["layer4.0.conv1.weight"])
    assert torch.equal(model.conv1.bn.running_mean, weights["bn1.running_mean"])
    assert model.conv1.conv.weight.isfinite().all()
    for block in model.blocks4d.values():
        assert torch.all(block.norm.weight == 0.01)


def test_units_are_read_from_the_input_and_their_order_matters() -> None:
    model = randomize_gammas(build()).double().eval()
    trunk = build(placement=(0, 0, 0, 0)).double().eval()
    x = videos().double()
    with torch.no_grad():
        for units in (1, 4, 10):
            assert model(videos(units).double()).shape[2] == units * T
        y, backward = (model(units).mean((2, 3, 4)) for units in (x, x.flip(1)))
        torch.testing.assert_close(trunk(x).mean(2), trunk(x.flip(1)).mean(2))
    assert (y - backward).abs().max() > 1e-3 * y.abs().max()


def test_pretrained_network_with_blocks_keeps_its_blocks(tmp_path: Path) -> None:
    source = randomize_gammas(build())
    torch.save(source.state_dict(), tmp_path / "f4d.pth")
    model = build(pretrained=str(tmp_path / "f4d.pth"), pretrained2d=False)
    for key, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key


@pytest.mark.parametrize("pretrained2d", [True, False])
def test_pretrained_weights_of_which_none_fit_are_refused(
    tmp_path: Path, pretrained2d: bool
) -> None:
    weights = {f"backbone.{key}": value for key, value in build().state_dict().items()}
    torch.save(weights, tmp_path / "recognizer.pth")
    with pytest.raises(ForeignCheckpointError, match="no kernel that fits conv1"):
        build(pretrained=str(tmp_path / "recognizer.pth"), pretrained2d=pretrained2d)


def test_pretrained_weights_of_a_shallower_trunk_are_refused(tmp_path: Path) -> None:
    torch.save(build().state_dict(), tmp_path / "r18.pth")
    with pytest.raises(ForeignCheckpointError, match=r"fits layer1\.2.*, and lacks 16 of 36"):
        build(pretrained=str(tmp_path / "r18.pth"), pretrained2d=False, depth=34)


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_batch_equals_its_videos_one_at_a_time(channels_last: bool, device: str) -> None:
    model = randomize_gammas(build(channels_last=channels_last)).double().eval()
    x = videos().double()
    with torch.no_grad():
        torch.testing.assert_close(model(x), torch.cat([model(video[None]) for video in x]))


def gradients(model: nn.Module, x: Tensor, times: int = 1) -> list[Tensor]:
    torch.manual_seed(1)  # the same dropout
    loss = model(x).square().mean()
    for i in range(times):
        loss.backward(retain_graph=i + 1 < times)
    return [loss, *(p.grad for p in model.parameters())]


@pytest.mark.parametrize("with_cp", [True, (True, False, False, True)])
def test_recomputation_gives_the_same_loss_gradients_and_statistics(with_cp: object) -> None:
    x = videos()
    model, kept = build(with_cp=with_cp), build()
    torch.testing.assert_close(gradients(model, x), gradients(kept, x))
    torch.testing.assert_close([*model.buffers()], [*kept.buffers()])
    stage_flags = with_cp if isinstance(with_cp, tuple) else (True,) * 4
    for i, flag in enumerate(stage_flags):
        fast = model.blocks4d[f"layer{i + 1}_1"].path.args[0]
        assert (getattr(fast, "func", fast) is recomputed) is flag
        assert ("forward" in vars(model.get_submodule(f"layer{i + 1}.0"))) is flag


@pytest.mark.parametrize("name", TRUNKS)
@pytest.mark.parametrize("channels_last", [False, True])
def test_recomputed_blocks_give_the_same_loss_gradients_and_statistics(
    name: str, channels_last: bool
) -> None:
    x = videos()
    block = dict(type="F4DBlock", mid_channels=1 / 8)
    kept, again = (
        build(name, channels_last=channels_last, placement=(1,) * 4, stem_block4d=True, block4d=b)
        for b in (block, dict(block, with_cp=True))
    )
    torch.testing.assert_close(gradients(again, x, times=2), gradients(kept, x, times=2))
    torch.testing.assert_close([*again.buffers()], [*kept.buffers()])


def test_placement_and_kind_of_block_per_stage() -> None:
    model = build(
        depth=50,
        block4d=(None, dict(type="V4DBlock"), dict(type="F4DBlock", mid_channels=4), None),
        placement=("last", (0, 1, 0, 1), 1, 0),
        stem_block4d=dict(type="F4DBlock"),
    )
    kinds = {location: type(block) for location, block in model.blocks4d.items()}
    assert kinds == {
        "stem": F4DBlock,
        "layer2_1": V4DBlock,
        "layer2_3": V4DBlock,
        **{f"layer3_{j}": F4DBlock for j in range(6)},
    }
    assert model.blocks4d["stem"].channels == 8
    assert model.blocks4d["layer2_1"].channels == 64
    maps: dict = {}
    model.eval()(videos(), maps)
    assert set(maps) == set(kinds)


class OwnBlock(nn.Module):
    """A block of a user, which takes what it needs."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor, maps: dict | None = None) -> Tensor:
        return x + 1


class OpenBlock(OwnBlock):
    """A block of a user, which takes all that it is given."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(kwargs["channels"])
        self.norm_cfg = kwargs["norm_cfg"]


@pytest.mark.parametrize("kind", [OwnBlock, OpenBlock])
def test_own_blocks_and_norms_without_weights_are_built(kind: type) -> None:
    MODELS.register_module(module=kind, force=True)
    network = build(block4d=[dict(type=kind.__name__), dict(type="F4DBlock"), None, None],
                    norm_cfg=dict(type="BN3d", affine=False))  # fmt: skip
    own, ours = network.blocks4d.values()
    assert own.channels == 8
    x = torch.randn(1, 2, ours.channels, 2, 4, 4).relu()
    assert 0 < (ours.eval()(x) - x).abs().max() < 0.5  # fresh: nearly the identity


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(placement=("last", (0, 1, 0), 0, 0)), "2 residual blocks"),
        (dict(placement=("first", 0, 0, 0)), "'last', 0, 1 or 2 flags"),
        (dict(placement=(1, 1)), "placement must have one entry for each of the trunk's 4 stages"),
        (dict(placement=1), "placement must have one entry"),
        (dict(block4d=(None, None)), "block4d must have one entry"),
        (dict(block4d=dict(mid_channels=4)), "type must name a module registered"),
        (dict(block4d=dict(type="NoSuchBlock")), "got 'NoSuchBlock'"),
        (dict(block4d=(None,) * 4, stem_block4d=True), "stem_block4d must be a config"),
    ],
)
def test_wrong_placements_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)


@pytest.mark.parametrize(
    "shape", [(2, 3, 4, 32, 32), (2, 0, 3, 4, 32, 32), (2, 3, 3, 0, 32, 32), (2, 3, 4, 4, 32, 32)]
)
def test_wrong_inputs_are_told_apart(shape: tuple) -> None:
    with pytest.raises(ValueError, match=r"expected \(N, U, 3, T, H, W\)"):
        build()(torch.zeros(shape))


def test_frozen_stages_freeze_their_blocks() -> None:
    blocks = build(frozen_stages=2, stem_block4d=True).train().blocks4d
    frozen = {location for location, block in blocks.items() if not block.training}
    assert frozen == {"stem", "layer1_1", "layer2_1"}
    for location, block in blocks.items():
        assert {p.requires_grad for p in block.parameters()} == {location not in frozen}


def test_frozen_stages_train_in_a_distributed_run(tmp_path: Path) -> None:
    """DDP asks what needs gradients once, when it wraps the network."""
    store = f"file://{tmp_path}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(build(frozen_stages=1)).train()
        for _ in range(2):
            model(videos()).sum().backward()
        del model
    finally:
        torch.distributed.destroy_process_group()


def test_a_file_that_the_trunk_would_not_read_is_refused() -> None:
    with pytest.raises(ValueError, match="is not read; pretrained names a file"):
        build(init_cfg=dict(type="Pretrained", checkpoint="trunk.pth"))


def test_norm_eval_holds_in_blocks_and_frozen_norms_of_a_trunk_do_not() -> None:
    model = build("CSN4d", norm_eval=True, bn_frozen=True).train()
    assert not model.layer1[0].conv1.bn.weight.requires_grad
    assert all(p.requires_grad for p in model.blocks4d.parameters())
    norms = [m for m in model.blocks4d.modules() if isinstance(m, nn.BatchNorm3d)]
    assert norms
    fixed = build(norm_cfg=dict(type="BN3d", requires_grad=False))
    assert not any(
        norm.weight.requires_grad
        for norm in fixed.layer1.modules()
        if isinstance(norm, nn.BatchNorm3d)
    )
    assert all(p.requires_grad for p in fixed.blocks4d.parameters())
    assert not any(norm.training for norm in norms)
    assert model.training
    first, second, *_ = model.blocks4d.values()
    first.requires_grad_(False)  # as a user may
    model.train()
    assert not any(p.requires_grad for p in first.parameters())
    assert all(p.requires_grad for p in second.parameters())


def test_hooks_on_a_stage_see_it_unless_a_block_lies_inside() -> None:
    """By which the host's tools find a stage; PyTorch's wrappers of one have no length."""
    model, seen = build(placement=("last", 0, 1, "last")), []
    for name in model.res_layers:
        getattr(model, name).register_forward_hook(lambda *_, name=name: seen.append(name))
    model(videos())
    assert seen == ["layer1", "layer2", "layer4"]
    x, model = videos(), model.eval()
    expected, model.layer2 = model(x), checkpoint_wrapper(model.layer2)
    assert torch.equal(model(x), expected)


def test_sync_bn_reaches_the_blocks_and_can_be_reverted() -> None:
    model = build(norm_cfg=dict(type="SyncBN", requires_grad=True))
    block = model.blocks4d["layer1_1"]
    assert all(isinstance(norm, nn.SyncBatchNorm) for norm in (block.norm, block.conv.norm))
    assert revert_sync_batchnorm(model).eval()(videos()).isfinite().all()


ATTENTION_KEYS = {
    "TemporalAttention": ("conv.paths.0", "conv.paths.1"),
    "ChannelAttention": ("squeeze", "excite"),
    "SpatioTemporalAttention": ("space.paths.0", "space.paths.1", "time.paths.0", "time.paths.1"),
}


def test_several_stages_can_be_returned() -> None:
    outs = build(out_indices=(1, 3)).eval()(videos())
    assert [tuple(out.shape) for out in outs] == [(N, 16, U * T, 4, 4), (N, 64, U * T, 1, 1)]


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_all_depths_build(depth: int) -> None:
    with torch.device("meta"):
        model = MODELS.build(dict(type="ResNet4d", depth=depth, pretrained=None))
    assert len(model.blocks4d) == 4


EARLY = [
    {},
    dict(placement=(0, 1, 0, 0)),
    dict(placement=(0, 0, 0, 0)),
    dict(stem_block4d=True),
    dict(out_indices=(0, 3), channels_last=True),
]


@pytest.mark.parametrize("options", EARLY)
def test_early_and_late_are_the_whole_and_units_are_apart_in_between(options: dict) -> None:
    model = randomize_gammas(build(**options)).eval()
    x = videos()
    with torch.no_grad():
        alone = torch.cat([model.forward_early(x[:, u : u + 1]) for u in range(U)], dim=1)
        for found, expected in zip(model.forward_late(alone), model(x)):
            torch.testing.assert_close(found, expected)


F4D_KEYS = [
    "conv.spatial.weight",
    *(f"conv.norm.{name}" for name in NORM),
    "conv.temporal.weight",
    *(f"norm.{name}" for name in NORM),
    *(f"attention.{a}.{part}.weight" for a, parts in ATTENTION_KEYS.items() for part in parts),
]
V4D_KEYS = ["conv.weight", *(f"norm.{name}" for name in NORM)]


@pytest.mark.parametrize(
    ("kind", "keys"), [("F4DBlock", F4D_KEYS), ("V4DBlock", V4D_KEYS)], ids=["F4D", "V4D"]
)
@pytest.mark.parametrize("fused", [True, False])
def test_names_of_checkpoints_stay(kind: str, keys: list[str], fused: bool) -> None:
    model = build(block4d=dict(type=kind, fused=fused))
    found = [key for key in model.state_dict() if key.startswith("blocks4d.")]
    assert found == [f"blocks4d.layer{i}_1.{key}" for i in range(1, 5) for key in keys]
