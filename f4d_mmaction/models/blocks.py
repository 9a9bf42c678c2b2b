"""The blocks as configs name them: kinds of layers, attention and ways to compute are keys."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial

from mmaction.registry import MODELS
from mmcv.cnn import build_activation_layer, build_conv_layer, build_norm_layer
from mmengine.registry import MODELS as ROOT_MODELS
from torch import Tensor, nn

from . import f4d
from .compiling import is_compiling
from .fused import f4d_path, v4d_path
from .recomputation import defined, recomputed

THREE = ("TemporalAttention", "ChannelAttention", "SpatioTemporalAttention")
for _name in THREE:
    MODELS.register_module(module=getattr(f4d, _name))
ROOT_MODELS.register_module(module=f4d.Conv4d)  # where mmcv looks up a `conv_cfg`


def build_layers(norm_cfg: dict | None, act_cfg: dict | None, conv_cfg: dict | None) -> f4d.Layers:
    """Turn configs as MMAction2 writes them into kinds of layers; None is no layer, or Conv4d."""
    return f4d.Layers(
        norm=(lambda channels: build_norm_layer(norm_cfg, channels)[1])
        if norm_cfg
        else nn.Identity,
        act=partial(build_activation_layer, act_cfg) if act_cfg else nn.Identity,
        conv=partial(build_conv_layer, conv_cfg or dict(type="Conv4d")),
    )


def build_module(config: str | dict, pass_on: bool = False, **defaults: object) -> nn.Module:
    """Build a module from its name or config; its constructor gets those ``defaults`` it names.

    With ``pass_on`` one that takes ``**kwargs`` gets them all.

    Raises:
        ValueError: the name is not registered, or its constructor does not know a key.
    """
    config = dict(type=config) if isinstance(config, str) else config
    kind = config.get("type") if isinstance(config, dict) else None
    cls = MODELS.get(kind) if isinstance(kind, str) else kind
    if not callable(cls):
        raise ValueError(
            f"type must name a module registered in mmaction.registry.MODELS, such as 'F4DBlock' "
            f"or 'TemporalAttention', got {kind!r} in {config}"
        )
    wanted = inspect.signature(cls).parameters
    takes_all = any(each.kind is each.VAR_KEYWORD for each in wanted.values())
    takes_all &= cls.__init__ is not nn.Module.__init__  # which takes none of all
    foreign = config.keys() - wanted.keys() - {"type", "_scope_"}  # a wrapper may know old keys
    if foreign and not takes_all and "__wrapped__" not in {*dir(cls), *dir(cls.__init__)}:
        raise ValueError(
            f"{kind} does not know {', '.join(sorted(foreign))} of {config}; if a config inherits "
            "them from another type, `_delete_=True` beside its own type leaves them out"
        )
    known = {k: v for k, v in defaults.items() if k in wanted or (pass_on and takes_all)}
    return MODELS.build(config, default_args=known)


def choose_path(fast: Callable, fused: bool, with_cp: bool) -> Callable:
    """Say how a block computes: fast or as it is defined, recomputed in backward or not."""
    literal, fast = (partial(recomputed, way) if with_cp else way for way in (defined, fast))
    return partial(unless_hooked, fast, literal) if fused else literal


def unless_hooked(fast: Callable, literal: Callable, block: f4d.Residual4d, x: Tensor) -> Tensor:
    """Take the fast path, or the definition where hooks see or change what layers compute."""
    layers = () if is_compiling() else (m for m in block.modules() if m is not block)
    hooked = any(
        m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks
        for m in layers
    )
    return literal(block, x) if hooked else fast(block, x)


@MODELS.register_module(name="F4DBlock")
def build_f4d_block(
    channels: int,
    kernel_size: Sequence[int] = (3, 3, 1, 1),
    mid_channels: int | float | None = None,
    attention: Sequence[str | dict] | str | dict | None = THREE,
    dropout: float = 0.0,
    norm_cfg: dict | None = None,
    act_cfg: dict | None = None,
    conv_cfg: dict | None = None,
    with_cp: bool = False,
    fused: bool = True,
) -> f4d.F4DBlock:
    """Build the F4D block (paper, Fig. 1 and eq. 3).

    Args:
        channels: C.
        kernel_size: (u, t, h, w), odd.
        mid_channels: Width M between the factors: None for the paper's matched width, an int for
            that width, a float in (0, 1] for that fraction of C.
        attention: What follows the convolution, in order: registered names or config dicts.
            ``channels`` and ``norm_cfg`` are filled in where a module asks for them.
        dropout: Probability of dropping an element of the convolution's output.
        norm_cfg: Normalization, as MMAction2 configures it; None for BN3d.
        act_cfg: Activation; None for ReLU.
        conv_cfg: Kind of 4D convolution; None for ``dict(type='Conv4d')``.
        with_cp: Recompute the block in the backward pass instead of keeping its results.
        fused: Take the fast path; False computes what `f4d.py` says, literally.

    Raises:
        ValueError: an even kernel, a width outside its range, an unknown or repeated attention.
    """
    if not (mid_channels is None or (type(mid_channels) is int and mid_channels > 0)
            or (type(mid_channels) is float and 0 < mid_channels <= 1)):  # fmt: skip
        raise ValueError(
            "mid_channels must be None, a whole number of at least 1 or a fraction such as 0.125, "
            f"got {mid_channels!r}"
        )
    norm_cfg = norm_cfg or dict(type="BN3d")
    layers = build_layers(norm_cfg, act_cfg or dict(type="ReLU", inplace=True), conv_cfg)
    entries = [attention] if isinstance(attention, (str, dict)) else attention or ()
    modules = [build_module(e, channels=channels, norm_cfg=norm_cfg) for e in entries]
    if len({type(module) for module in modules}) < len(modules):
        raise ValueError(f"attention names a module twice: {attention}")
    block = f4d.F4DBlock(channels, kernel_size, mid_channels, modules, dropout, layers)
    block.path = choose_path(f4d_path, fused, with_cp)
    return block


@MODELS.register_module(name="V4DBlock")
def build_v4d_block(
    channels: int,
    kernel_size: Sequence[int] = (3, 3, 1, 1),
    norm_cfg: dict | None = dict(type="BN3d"),  # noqa: B006
    act_cfg: dict | None = dict(type="ReLU", inplace=True),  # noqa: B006
    conv_cfg: dict | None = None,
    with_cp: bool = False,
    fused: bool = True,
) -> f4d.V4DBlock:
    """Build the V4D block (Zhang et al., ICLR 2020); arguments as for the F4D block.

    Its paper's text has a normalization and a ReLU, its authors' code neither (None for both).

    Raises:
        ValueError: an even kernel.
    """
    block = f4d.V4DBlock(channels, kernel_size, build_layers(norm_cfg, act_cfg, conv_cfg))
    block.path = choose_path(v4d_path, fused, with_cp)
    return block
