"""SE and CBAM against another implementation, STM and TEA against loops over frames."""

import pytest
import torch
import torch.nn.functional as F
from pytorchcv.models.cbamresnet import CbamBlock
from pytorchcv.models.common import SEBlock
from torch import Tensor, nn

from f4d_mmaction.models import (
    CBAMAttention,
    SEAttention,
    STMAttention,
    TEAAttention,
)
from f4d_mmaction.models.blocks import build_f4d_block

N, U, C, T, H, W = 2, 3, 64, 4, 6, 5
OTHERS = (SEAttention, CBAMAttention, STMAttention, TEAAttention)


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(0)
    return torch.rand(N, U, C, T, H, W)


def share(theirs: nn.Module, ours: nn.Module) -> None:
    """Copy our weights, in the order of the modules, into another implementation's."""
    state = theirs.state_dict()
    for name, value in zip(state, ours.state_dict().values(), strict=True):
        state[name] = value.reshape(state[name].shape)
    theirs.load_state_dict(state)


def random_weights(module: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.1 if "var" in name else -0.5, 0.5)
    return module.eval()


def test_se_equals_pytorchcv_on_frames_laid_side_by_side(x: Tensor) -> None:
    ours, theirs = random_weights(SEAttention(C)), SEBlock(C).eval()
    share(theirs, ours)
    pictures = x.flatten(0, 1).flatten(2, 3)  # T*H x W: the average is over all of them
    expected = theirs(pictures).unflatten(2, (T, H)).unflatten(0, (N, U))
    torch.testing.assert_close(ours(x), expected)


def test_cbam_equals_pytorchcv(x: Tensor) -> None:
    ours, theirs = random_weights(CBAMAttention(C)), CbamBlock(C).eval()
    share(theirs, ours)
    one_frame = x[:, :, :, :1]
    expected = theirs(one_frame[:, :, :, 0].flatten(0, 1)).unflatten(0, (N, U)).unsqueeze(3)
    torch.testing.assert_close(ours(one_frame), expected)

    # A longer unit: the channels' gate is that of all frames, the pixels' gate is each frame's own.
    units = x.flatten(0, 1)
    gated = theirs.ch_gate(units.flatten(2, 3)).unflatten(2, (T, H))
    expected = torch.stack([theirs.sp_gate(gated[:, :, t]) for t in range(T)], 2)
    torch.testing.assert_close(ours(x), expected.unflatten(0, (N, U)))


def conv_norm(module: nn.Module, x: Tensor, act: bool = True) -> Tensor:
    """A ConvModule in evaluation on one frame (N, C, H, W), spelled out in 2D."""
    norm = module.norm
    weight = module.conv.weight.squeeze(2)
    x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
    x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    return x.relu() if act else x


def in_time(conv: nn.Conv3d, frames: list[Tensor]) -> list[Tensor]:
    """A channel-wise convolution of kernel 3 over a list of frames."""
    before, now, after = conv.weight[:, 0, :, 0, 0].unbind(1)
    zero = torch.zeros_like(frames[0])
    padded = [zero, *frames, zero]
    return [
        padded[t] * before[:, None, None]
        + padded[t + 1] * now[:, None, None]
        + padded[t + 2] * after[:, None, None]
        for t in range(len(frames))
    ]


def motion(module: nn.Module, frames: list[Tensor]) -> list[Tensor]:
    """K * F(t+1) - F(t) on the reduced channels, zero for the last frame."""
    small = [F.conv2d(frame, module.reduce.weight.squeeze(2)) for frame in frames]
    kernel = module.channel_wise.weight.squeeze(2)
    moved = [F.conv2d(frame, kernel, padding=1, groups=len(kernel)) for frame in small]
    return [moved[t + 1] - small[t] for t in range(len(frames) - 1)] + [torch.zeros_like(small[0])]


def stm(module: STMAttention, frames: list[Tensor]) -> list[Tensor]:
    small = [conv_norm(module.reduce, frame) for frame in frames]
    spatio_temporal = [conv_norm(module.space, frame) for frame in in_time(module.time, small)]
    restore = module.motion_restore.weight.squeeze(2)
    moving = [F.conv2d(frame, restore) for frame in motion(module.motion, small)]
    return [
        frame + conv_norm(module.restore, a + b, act=False)
        for frame, a, b in zip(frames, spatio_temporal, moving)
    ]


def tea(module: TEAAttention, frames: list[Tensor]) -> list[Tensor]:
    small = [conv_norm(module.reduce, frame) for frame in frames]
    restore = module.motion_restore.weight.squeeze(2)
    excited = []
    for frame, moved in zip(small, motion(module.motion, small)):
        gate = F.conv2d(moved.mean((2, 3), keepdim=True), restore)
        excited.append(frame + frame * (2 * gate.sigmoid() - 1))
    quarter = C // 16
    first, second, third, fourth = (
        [frame[:, i * quarter : (i + 1) * quarter] for frame in excited] for i in range(4)
    )

    def stage(i: int, frames: list[Tensor]) -> list[Tensor]:
        return [conv_norm(module.space[i], frame) for frame in in_time(module.time[i], frames)]

    second = stage(0, second)
    third = stage(1, [a + b for a, b in zip(third, second)])
    fourth = stage(2, [a + b for a, b in zip(fourth, third)])
    return [
        frame + conv_norm(module.restore, torch.cat(parts, 1), act=False)
        for frame, *parts in zip(frames, first, second, third, fourth)
    ]


@pytest.mark.parametrize(("kind", "reference"), [(STMAttention, stm), (TEAAttention, tea)])
def test_motion_blocks_equal_a_loop_over_frames(kind: type, reference, x: Tensor) -> None:
    module = random_weights(kind(C))
    expected = torch.stack(
        [torch.stack(reference(module, list(x[:, u].unbind(2))), 2) for u in range(U)], 1
    )
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("frames", [1, T])
def test_block_with_another_attention_starts_near_identity_and_learns(
    kind: type, frames: int, x: Tensor
) -> None:
    torch.manual_seed(0)
    x = x[:, :, :, :frames].clone()
    block = build_f4d_block(C, mid_channels=1 / 8, attention=[kind.__name__], dropout=0.0)
    y = block(x)
    assert (y - x).abs().mean() < 0.05 * x.abs().mean()
    (y * torch.randn_like(y)).sum().backward()
    # A unit of one frame has no motion to learn from, and a hidden unit may sleep.
    motionless = {name for name, _ in block.named_parameters() if frames == 1 and "motion" in name}
    dead = {name for name, p in block.named_parameters() if not p.grad.abs().sum() > 0}
    assert dead <= motionless


@pytest.mark.parametrize("units", [1, 2, 5])
@pytest.mark.parametrize("kind", OTHERS)
def test_units_do_not_mix_in_any_number_or_precision(kind: type, units: int) -> None:
    torch.manual_seed(0)
    module, x = random_weights(kind(C)), torch.rand(3, units, C, 9, H, W)
    alone = torch.cat([module(unit) for unit in x.flatten(0, 1)[:, None, None]])
    torch.testing.assert_close(module(x), alone.view_as(x), rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        low = module(x.bfloat16())
    torch.testing.assert_close(low.float(), module(x), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("kind", OTHERS)
def test_layout_does_not_matter(kind: type, x: Tensor) -> None:
    module = random_weights(kind(C))
    expected = module(x)
    module = module.to(memory_format=torch.channels_last_3d)
    packed = x.flatten(0, 1).contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(module(packed.unflatten(0, (N, U))), expected, rtol=1e-4, atol=1e-4)


def test_norm_of_the_trunk_reaches_other_attention() -> None:
    block = build_f4d_block(C, attention=["STMAttention"], norm_cfg=dict(type="SyncBN"))
    norms = [m for m in block.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)


def test_tea_says_which_widths_it_splits() -> None:
    with pytest.raises(ValueError, match="quarters, got C = 40"):
        TEAAttention(40)
