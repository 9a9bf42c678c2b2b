"""The fast path is the definition: outputs, gradients, statistics and maps, over a grid."""

import itertools
import math

import pytest
import torch
from mmaction.registry import MODELS
from packaging.version import Version
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.profiler import ProfilerActivity, profile

from f4d_mmaction.models.f4d import Attention, Conv4d, TemporalAttention
from f4d_mmaction.models.fused import pool_frames, pool_pixels, weigh, weighed_sum

BLOCKS = {
    "F4D": dict(type="F4DBlock"),
    "F4D C/8": dict(type="F4DBlock", mid_channels=1 / 8),
    "F4D STA first": dict(
        type="F4DBlock",
        attention=("SpatioTemporalAttention", "SEAttention", "TemporalAttention"),
    ),
    "F4D alone": dict(type="F4DBlock", attention=()),
    "V4D": dict(type="V4DBlock"),
    "F4D by the batch": dict(
        type="F4DBlock",
        norm_cfg=dict(type="BN3d", track_running_stats=False),
        conv_cfg=dict(type="Conv4d", bias=True),
    ),
    "V4D GN": dict(type="V4DBlock", norm_cfg=dict(type="GN", num_groups=3)),
    "V4D bias": dict(type="V4DBlock", conv_cfg=dict(type="Conv4d", bias=True)),
    "V4D as its code": dict(type="V4DBlock", norm_cfg=None, act_cfg=None),
}
KERNELS = [(3, 3, 1, 1), (3, 1, 1, 1), (1, 3, 1, 1), (3, 3, 3, 3), (5, 1, 3, 3)]
C, H, W = 9, 5, 3
FIRST, LAST = torch.contiguous_format, torch.channels_last_3d
# (N, U, T), and memory and with_cp: each U and T from 1 to 5, and all of it among the slow tests.
FEW = dict.fromkeys(
    [(3, 1, 2), (1, 2, 5), (1, 3, 1), (3, 4, 4), (1, 5, 3)], ((FIRST, False), (LAST, True))
)
ALL = dict.fromkeys(
    itertools.product((1, 3), range(1, 6), range(1, 6)),
    tuple(itertools.product((FIRST, LAST), (False, True))),
)
CASES = [pytest.param(FEW, id="few"), pytest.param(ALL, id="all", marks=pytest.mark.slow)]
PRECISIONS = {
    "float64": (torch.float64, 1e-12),
    "float32": (torch.float32, 1e-5),
    "bfloat16": (torch.float32, 0.25),  # under autocast
}


def features(size: tuple[int, int, int], layout: torch.memory_format, dtype: torch.dtype) -> Tensor:
    """Features (N, U, C, T, H, W) as a trunk leaves them, the same numbers in any precision."""
    N, U, T = size
    torch.manual_seed(0)
    x = torch.randn(N * U, C, T, H, W).relu().to(dtype).contiguous(memory_format=layout)
    return x.unflatten(0, (N, U)).requires_grad_()


class DropEveryThird(nn.Module):
    """In the place of dropout, whose mask depends on the layout and precision of its input."""

    def forward(self, x: Tensor) -> Tensor:
        kept = torch.arange(x.numel(), device=x.device).view(x.shape) % 3 > 0
        return x * kept if self.training else x


def build(name: str, kernel: tuple, **options: object) -> nn.Module:
    """Build a block whose branch is as large as its input."""
    torch.manual_seed(0)
    block = MODELS.build({**BLOCKS[name], "channels": C, "kernel_size": kernel, **options})
    if name == "F4D":
        block.dropout = DropEveryThird()
    for key, value in block.state_dict().items():
        if key == "norm.weight" or (key == "conv.weight" and name == "V4D as its code"):
            nn.init.uniform_(value, -0.2, 0.5)
        elif "running" in key:
            nn.init.uniform_(value, 0.5, 1)
    return block


def run(block: nn.Module, x: Tensor, mode: str, low: bool = False) -> dict[str, Tensor]:
    """Return what a pass leaves behind: output, statistics and gradients."""
    block.train(mode == "train")
    x = x.detach().requires_grad_()
    low_precision = torch.autocast(x.device.type, torch.bfloat16, enabled=low)
    with low_precision, torch.set_grad_enabled(mode != "no_grad"):
        y = block(x)
    found = {"output": y.detach(), **{name: b.clone() for name, b in block.named_buffers()}}
    if mode != "no_grad":
        weights = torch.linspace(-1, 2, y.numel(), device=y.device, dtype=x.dtype).view(y.shape)
        gradients = torch.autograd.grad((y * weights).sum(), [x, *block.parameters()])
        # Together: alone, some are sums in which nearly everything cancels.
        found["gradients"] = torch.cat([gradient.flatten() for gradient in gradients])
    return found


def from_kink(block: nn.Module, x: Tensor, mode: str) -> float:
    """The least input of a ReLU, or lead of the largest value that an attention pools."""
    found: list[Tensor] = []

    def relu(_: nn.Module, inputs: tuple[Tensor]) -> None:
        found.append(inputs[0].detach().abs().min())

    def maximum(layer: Attention, inputs: tuple[Tensor]) -> None:
        pooled = inputs[0].detach().movedim(layer.pooled, tuple(range(-len(layer.pooled), 0)))
        first, second = pooled.flatten(-len(layer.pooled)).topk(2).values.unbind(-1)
        found.append((first - second)[first > second].min())  # those that ReLU made 0 are equal

    kinds = {nn.ReLU: relu, Attention: maximum}
    hooks = [
        layer.register_forward_pre_hook(hook)
        for layer in block.modules()
        for kind, hook in kinds.items()
        if isinstance(layer, kind)
    ]
    run(block, x, mode)
    for hook in hooks:
        hook.remove()
    return float(min(found))


def distance(a: Tensor, b: Tensor) -> float:
    """Norm of the difference, to that of ``b``."""
    return float((a.double() - b.double()).norm() / b.double().norm().clamp(min=1e-6))


@pytest.mark.parametrize("sizes", CASES)
@pytest.mark.parametrize("mode", ["train", "eval", "no_grad"])
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("name", BLOCKS)
def test_fast_path_is_the_definition(
    name: str, kernel: tuple, mode: str, sizes: dict, device: str
) -> None:
    for size, ways in sizes.items():
        # Rounding is measured against more precise numbers.
        defined = build(name, kernel, fused=False).to(torch.float64)
        expected = run(defined, features(size, FIRST, torch.float64), mode)
        for (layout, with_cp), precision in itertools.product(ways, PRECISIONS):
            dtype, tolerance = PRECISIONS[precision]
            low = precision == "bfloat16"
            block = build(name, kernel, with_cp=with_cp).to(dtype)
            x = features(size, layout, dtype)
            for key, value in run(block, x, mode, low).items():
                error = distance(value, expected[key])
                if error >= tolerance:  # next to a kink, rounding decides on the gradient
                    literal = build(name, kernel, fused=False).to(dtype)
                    error = distance(value, run(literal, x, mode, low)[key])
                case = f"{key} at {size}, {layout}, with_cp={with_cp}, {precision}"
                if error >= tolerance and key == "gradients" and precision == "float32":
                    exact = features(size, FIRST, torch.float64)
                    assert from_kink(defined, exact, mode) < 1e-6, case  # and in no other place
                else:
                    assert error < tolerance, case


class Plain(TemporalAttention):
    """Attention of a user, without the module's own residual."""

    def forward(self, x: Tensor) -> Tensor:
        return x * self.attention_map(x)


class Inverse(TemporalAttention):
    """Attention of a user to what the module's map leaves out."""

    def attention_map(self, x: Tensor) -> Tensor:
        return 1 - super().attention_map(x)


class Prior(Attention):
    """Attention of a user to each position, whose map is larger than its pools."""

    def __init__(self) -> None:
        super().__init__()
        self.prior = nn.Parameter(torch.randn(1, 1, 1, 1, H, W))

    def weights(self, mean: Tensor, peak: Tensor) -> Tensor:
        return (self.prior + mean).sigmoid()


class PixelsToChannels(Attention):
    """Attention of a user that makes a weight for each channel from the channels' pools."""

    pooled = (2,)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, channels, 1)

    def weights(self, mean: Tensor, peak: Tensor) -> Tensor:
        pools = torch.cat((mean, peak), 2).flatten(0, 1)
        return self.conv(pools).sigmoid().unflatten(0, mean.shape[:2])


class Signed(Attention):
    """Attention of a user whose gains may be below zero, where a maximum becomes a minimum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(3 * torch.randn(channels, 1, 1, 1))

    def weights(self, mean: Tensor, peak: Tensor) -> Tensor:
        return self.scale.expand(mean.shape)


class Normalized(Attention):
    """Attention of a user that normalizes the pools."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(channels)

    def weights(self, mean: Tensor, peak: Tensor) -> Tensor:
        return self.norm((mean + peak).flatten(0, 1)).sigmoid().unflatten(0, mean.shape[:2])


@pytest.mark.parametrize("kind", [Plain, Inverse, Prior, PixelsToChannels, Signed, Normalized])
@pytest.mark.parametrize("mode", ["train", "eval", "no_grad"])
def test_what_a_subclass_of_attention_says_is_done(kind: type, mode: str) -> None:
    MODELS.register_module(module=kind, force=True)
    attention = ("TemporalAttention", kind.__name__, "ChannelAttention")
    fast = build("F4D alone", (3, 3, 1, 1), attention=attention)
    literal = build("F4D alone", (3, 3, 1, 1), attention=attention, fused=False)
    literal.load_state_dict(fast.state_dict())
    x = features((2, 2, 3), FIRST, torch.float32)
    expected = run(literal, x, mode)
    for key, value in run(fast, x, mode).items():
        assert distance(value, expected[key]) < 1e-5, key


class Spread(nn.Module):
    """A module of a user whose output is one value in many places."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((4, 5), keepdim=True).expand_as(x)


class Keeping(nn.Module):
    """A module of a user that keeps what it gets and gives it on."""

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return x


@pytest.mark.parametrize("kind", [Spread, Keeping])
@pytest.mark.parametrize("before", [(), ("TemporalAttention",)])
def test_what_a_module_of_a_user_keeps_is_not_written_to(kind: type, before: tuple) -> None:
    MODELS.register_module(module=kind, force=True)
    attention = (*before, kind.__name__)
    fast = build("F4D alone", (3, 3, 1, 1), attention=attention)
    literal = build("F4D alone", (3, 3, 1, 1), attention=attention, fused=False)
    literal.load_state_dict(fast.state_dict())
    x = features((2, 2, 3), FIRST, torch.float32)
    for block in (fast, literal):
        block.eval()
    with torch.no_grad():
        assert distance(fast(x), literal(x)) < 1e-5
    if kind is Keeping:
        seen = [block.attention["Keeping"].seen for block in (fast, literal)]
        assert distance(*seen) < 1e-5


@pytest.mark.parametrize("name", ["F4D", "V4D"])
def test_hooks_may_come_and_go_before_a_block_is_recomputed(name: str) -> None:
    block, x = build(name, (3, 3, 1, 1), with_cp=True), features((1, 2, 3), FIRST, torch.float32)
    hook = block.norm.register_forward_hook(lambda *_: None)
    y = block(x)
    hook.remove()
    y.sum().backward()
    y = block(x)
    block.norm.register_forward_hook(lambda *_: None)
    y.sum().backward()


@pytest.mark.parametrize("name", ["F4D", "V4D"])
def test_hooks_on_layers_of_a_block_see_and_change_them(name: str) -> None:
    block = build(name, (3, 3, 1, 1)).eval()
    x = features((1, 2, 3), FIRST, torch.float32)
    inner = [key for key, module in block.named_modules() if key and not any(module.children())]
    seen = []
    for key in inner:
        block.get_submodule(key).register_forward_hook(lambda *_, key=key: seen.append(key))
    plain = block(x)
    assert set(seen) == set(inner)
    block.norm.register_forward_hook(lambda module, args, output: output * 0)
    torch.testing.assert_close(block(x), x)
    assert not torch.equal(plain, x)


LAYOUTS = {
    "first": lambda x: x,
    "last": lambda x: x.movedim(2, 5).contiguous().movedim(5, 2),
    "width before height": lambda x: x.transpose(4, 5).contiguous().transpose(4, 5),
}
SHAPE = (2, 2, 3, 2, 3, 4)  # N, U, C, T, H, W
FRAME_GAIN, PIXEL_GAIN = (2, 2, 3, 2, 1, 1), (2, 2, 1, 2, 3, 4)


def distinct(layout: str) -> Tensor:
    """Numbers of which no two are equal, so that every maximum is at one place."""
    torch.manual_seed(0)
    x = torch.randperm(math.prod(SHAPE)).double().view(SHAPE) / 10 - 5
    return LAYOUTS[layout](x).requires_grad_()


def gain(shape: tuple | None) -> Tensor | None:
    torch.manual_seed(1)
    return None if shape is None else torch.rand(shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.skipif(
    Version(torch.__version__) < Version("2.1"), reason="PyTorch 2.0 copies for its 3D convolutions"
)
@pytest.mark.parametrize("name", ["F4D C/8", "V4D"])
def test_convolutions_copy_nothing_in_channels_last_memory(name: str) -> None:
    block = MODELS.build({**BLOCKS[name], "channels": 64}).eval()
    block.to(memory_format=torch.channels_last_3d)
    x = torch.randn(8, 64, 4, 6, 6).contiguous(memory_format=torch.channels_last_3d)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # on one thread PyTorch leaves oneDNN for an im2col that copies
    try:
        with (
            torch.no_grad(),
            profile(activities=[ProfilerActivity.CPU], record_shapes=True) as seen,
        ):
            y = block(x.unflatten(0, (2, 4)))
    finally:
        torch.set_num_threads(threads)
    copies = ("aten::copy_", "aten::clone", "aten::contiguous")
    copied = [math.prod(e.input_shapes[0]) for e in seen.events() if e.name in copies]
    assert max(copied, default=0) < x.numel()  # weights are smaller
    convolutions = [e for e in seen.events() if e.name == "aten::convolution"]
    assert len(convolutions) >= sum(isinstance(m, Conv4d) for m in block.modules())
    assert y.flatten(0, 1).is_contiguous(memory_format=torch.channels_last_3d)


OPERATIONS = {  # the fast one and its definition, of features and gains of frames and of pixels
    "pool_frames": (
        lambda x, frames, pixels: pool_frames(x),
        lambda x, frames, pixels: (x.mean((4, 5), keepdim=True), x.amax((4, 5), keepdim=True)),
    ),
    "pool_pixels": (
        lambda x, frames, pixels: pool_pixels(x, frames),
        lambda x, frames, pixels: (
            (x * frames).mean(2, keepdim=True),
            (x * frames).amax(2, keepdim=True),
        ),
    ),
    "weigh": (weigh, lambda x, frames, pixels: x * frames * pixels),
    "weighed_sum": (
        lambda x, frames, pixels: weighed_sum(distinct("last"), x.clone(), frames, pixels),
        lambda x, frames, pixels: distinct("last") + x * frames * pixels,
    ),
}


@pytest.mark.parametrize("pixels", [None, PIXEL_GAIN], ids=str)
@pytest.mark.parametrize("frames", [None, FRAME_GAIN], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_are_their_definitions(
    name: str, layout: str, frames: tuple | None, pixels: tuple | None, device: str
) -> None:
    fast, definition = OPERATIONS[name]
    x, gains = distinct(layout), [gain(frames), gain(pixels)]
    expected = definition(x, *(1 if each is None else each for each in gains))
    torch.testing.assert_close(fast(x, *gains), expected)
    with torch.no_grad():
        torch.testing.assert_close(fast(x, *gains), expected)
    assert gradcheck(fast, (x, *gains), fast_mode=True)
