"""3D trunks of MMAction2 recast as 4D networks (paper, section III.D)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmaction.models.backbones.resnet2plus1d import ResNet2Plus1d
from mmaction.models.backbones.resnet3d import ResNet3d
from mmaction.models.backbones.resnet3d_csn import ResNet3dCSN
from mmaction.models.backbones.resnet3d_slowonly import ResNet3dSlowOnly
from mmaction.models.backbones.x3d import X3D
from mmaction.registry import MODELS
from torch import Tensor, nn

from .blocks import build_module
from .compiling import compile_each_shape
from .f4d import check_shape
from .inference import use_channels_last
from .recomputation import recompute
from .view_conv3d import ViewConv3d
from .weights import ForeignCheckpointError

STEM = "stem"  # a block's location; others are "layer{stage}_{residual block}"
TRUNK, OUTPUT = "trunk", "output"  # steps of a forward pass that are no blocks
FACTORIZED = dict(type="Conv2plus1d")  # R(2+1)D's kind of convolution
Placement = int | str | Sequence[int]
UNITS = "; FormatActionUnits makes it, and tools/analysis/complexity.py stands for get_flops"


class Blocks4dMixin(nn.Module):
    """Mix-in that inserts 4D blocks into a 3D trunk of MMAction2 without changing it.

    The trunk is built by its own class, so its parameter names, inflation and checkpoints stay;
    the blocks live beside it in ``blocks4d``. The trunk sees each unit as one clip, the blocks
    see all units of a video. U is read from the input: one network serves any number of units.

    (N, U, 3, T, H, W) -> (N, C', U*T', H', W').

    Args:
        block4d: Config of the 4D block, or one per stage (None where there is none). The trunk's
            ``norm_cfg`` and the stage's ``with_cp`` are passed on unless it sets its own.
        placement: Per stage, where blocks follow: ``'last'`` after its last residual block, 1
            after each, 0 nowhere, or one flag per residual block, as ``non_local`` has it; None
            for ``'last'`` everywhere.
        stem_block4d: Config of a block after the stem's pooling, the paper's "conv1"; True for
            ``block4d``.
        channels_last: Run in ``channels_last_3d`` memory, where blocks copy nothing.
        conv_cfg: Kind of the trunk's convolutions.
        with_cp: Recompute activations in the backward pass; one flag for all stages or each.
        compile: Compile the backbone as one graph for each input shape with ``torch.compile``;
            names of parameters stay. All other arguments are the trunk's.

    Raises:
        ValueError: a placement that does not fit the trunk, or an input that is not
            (N, U, C, T, H, W).
    """

    # The trunk's own.
    res_layers: list[str]
    block: type[nn.Module]
    base_channels: int
    frozen_stages: int
    norm_cfg: dict
    pretrained: str | None
    # What the trunk's own forward runs around its residual stages, by attribute name.
    stem = ("conv1", "maxpool")
    after_first_stage: tuple[str, ...] = ("pool2",)
    tail: tuple[str, ...] = ()

    def __init__(
        self,
        *args: object,
        block4d: dict | Sequence[dict | None] = dict(type="F4DBlock", mid_channels=1 / 8),  # noqa: B006
        placement: Sequence[Placement] | None = None,
        stem_block4d: dict | bool = False,
        channels_last: bool = False,
        conv_cfg: dict = dict(type="ViewConv3d"),  # noqa: B006
        with_cp: bool | Sequence[bool] = False,
        compile: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__(*args, conv_cfg=conv_cfg, **kwargs)
        stages = [getattr(self, name) for name in self.res_layers]
        stages_cp = with_cp if isinstance(with_cp, Sequence) else [with_cp] * len(stages)
        placement = ["last"] * len(stages) if placement is None else placement
        per_stage = [block4d] * len(stages) if isinstance(block4d, dict) else block4d
        for name, value in dict(block4d=per_stage, placement=placement, with_cp=stages_cp).items():
            if not isinstance(value, (list, tuple)) or len(value) != len(stages):
                raise ValueError(
                    f"{name} must have one entry for each of the trunk's {len(stages)} stages, got "
                    f"{value!r}"
                )
        stem = block4d if stem_block4d is True else stem_block4d
        if stem and not isinstance(stem, dict):
            raise ValueError("stem_block4d must be a config where block4d differs between stages")

        for name, flag in (("maxpool", "with_pool1"), ("pool2", "with_pool2")):
            if not getattr(self, flag, True):
                setattr(self, name, nn.Identity())
        self.channels_last = channels_last
        self.blocks4d = nn.ModuleDict()
        self.block_stage: dict[str, int] = {}  # location -> stage, 0 for the stem
        if stem and isinstance(stem, dict):
            self._insert(STEM, 0, stem, self.base_channels, stages_cp[0])
        expansion = getattr(self.block, "expansion", 1)
        for i, (layer, config, where) in enumerate(zip(stages, per_stage, placement)):
            for residual in layer if stages_cp[i] else ():
                recompute(residual)
            for j, wanted in enumerate(expand_placement(where, len(layer), stage=i)):
                if wanted and config is not None:
                    channels = self.base_channels * 2**i * expansion
                    self._insert(f"layer{i + 1}_{j}", i + 1, config, channels, stages_cp[i])
        if channels_last:
            use_channels_last(self)
        self.train()  # freezes stages: DDP asks what needs gradients before the first epoch
        if compile:
            self._compiled_call_impl = compile_each_shape(self._call_impl)

    def _insert(
        self, location: str, stage: int, config: dict, channels: int, with_cp: bool
    ) -> None:
        self.blocks4d[location] = build_module(
            config,
            pass_on=True,
            channels=channels,
            # Frozen norms are those of a trained trunk.
            norm_cfg=self.norm_cfg and {**self.norm_cfg, "requires_grad": True},
            with_cp=with_cp,
        )
        self.block_stage[location] = stage

    def init_weights(self, *args: object) -> None:
        """Initialize or load the weights as MMAction2 does; new blocks stay as they were built.

        A trunk without a file redraws every convolution and normalization that it finds in itself.

        Raises:
            ForeignCheckpointError: the file has no kernel for a convolution; the host only logs
                that, and leaves what it draws without a file, such as zero gammas, undone.
            ValueError: there is an ``init_cfg``, which the host does not read in these trunks.
        """
        if getattr(self, "init_cfg", None):
            raise ValueError(f"init_cfg={self.init_cfg} is not read; pretrained names a file")
        blocks, loads = self.blocks4d, bool(self.pretrained or any(args))
        kernels = self._trunk_kernels() if loads else {}
        for kernel in kernels.values():
            nn.init.constant_(kernel, math.nan)
        if not loads:
            self.blocks4d = nn.ModuleDict()
        super().init_weights(*args)  # type: ignore[misc]  # the trunk's
        self.blocks4d = blocks
        if lacking := [name for name, kernel in kernels.items() if kernel.isnan().any()]:
            raise ForeignCheckpointError(
                f"pretrained={self.pretrained} has no kernel that fits {lacking[0]}, and lacks "
                f"{len(lacking)} of {len(kernels)}: expected a trunk of this depth and width; "
                "load_from takes a whole recognizer, pretrained2d=False a trunk in 3D"
            )

    def _trunk_kernels(self) -> dict[str, nn.Parameter]:
        """Return what a file must hold: weights of images know no stem of a flow, no non-locals."""
        stem = next(getattr(self, self.stem[0]).parameters())
        return {
            name: kernel
            for name, kernel in self.named_parameters()
            if kernel.ndim > 1
            and not name.startswith("blocks4d.")
            and "non_local" not in name
            and (kernel is not stem or kernel.shape[1] == 3)
        }

    def forward(
        self, x: Tensor, maps: dict[str, dict[str, Tensor]] | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """Map (N, U, C, T, H, W) to (N, C', U*T', H', W'), or a tuple for several ``out_indices``.

        ``maps`` receives each block's attention maps: location -> name -> map.
        """
        return self.forward_late(self.forward_early(x), maps)

    def forward_early(self, x: Tensor) -> Tensor:
        """Map (N, U, C, T, H, W) to (N, U, C', T', H', W'), the input of the first block.

        Up to there no unit has seen another: units that several windows of a long video share need
        computing only once.
        """
        check_shape(x, getattr(self, "in_channels", 3), hint=UNITS)
        U, x = x.shape[1], self._fold(x)
        for name, layer in self._steps():
            if name != TRUNK or layer is None:
                break
            x = layer(x)
        return x.unflatten(0, (-1, U))

    def forward_late(
        self, x: Tensor, maps: dict[str, dict[str, Tensor]] | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """Go on from features (N, U, C', T', H', W') of :meth:`forward_early`."""
        U, x, outs = x.shape[1], self._fold(x), []
        steps = self._steps()
        first = [name == TRUNK for name, _ in steps].index(False)
        for name, layer in steps[first:]:
            if layer is None:
                outs.append(x)
            elif name == TRUNK:
                x = layer(x)
            else:
                found = None if maps is None else maps.setdefault(name, {})
                x = layer(x.unflatten(0, (-1, U)), found).flatten(0, 1)
        for name in self.tail:
            outs = [getattr(self, name)(x) for x in outs]
        outs = [x.unflatten(0, (-1, U)).transpose(1, 2).flatten(2, 3) for x in outs]
        return outs[0] if len(outs) == 1 else tuple(outs)

    def _steps(self) -> list[tuple[str, nn.Module | None]]:
        """Layers of the trunk, blocks (by location) and places of outputs (None) in order."""
        steps: list[tuple[str, nn.Module | None]]
        steps = [(TRUNK, getattr(self, name)) for name in self.stem] + self._block_at(STEM)
        out_indices = getattr(self, "out_indices", (len(self.res_layers) - 1,))
        for i, name in enumerate(self.res_layers):
            layers = list(getattr(self, name))  # of a wrapped stage, too
            blocks = [self._block_at(f"{name}_{j}") for j in range(len(layers))]
            if not any(blocks[:-1]):  # hooks on the whole stage see it
                layers, blocks = [getattr(self, name)], blocks[-1:]
            for layer, block in zip(layers, blocks):
                steps += [(TRUNK, layer), *block]
            steps += [(TRUNK, getattr(self, name)) for name in self.after_first_stage if i == 0]
            steps += [(OUTPUT, None)] if i in out_indices else []
        return steps

    def _block_at(self, location: str) -> list[tuple[str, nn.Module | None]]:
        return [(location, self.blocks4d[location])] if location in self.blocks4d else []

    def _fold(self, x: Tensor) -> Tensor:
        """Make each unit a clip of the trunk: (N, U, C, T, H, W) -> (N*U, C, T, H, W)."""
        x = x.flatten(0, 1)
        return x.contiguous(memory_format=torch.channels_last_3d) if self.channels_last else x

    def _freeze_stages(self) -> None:
        super()._freeze_stages()  # type: ignore[misc]  # the trunk's
        for location, stage in self.block_stage.items():
            if stage <= self.frozen_stages:
                self.blocks4d[location].eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Blocks4dMixin":
        """Set the training mode; unlike the trunk's own method, return self."""
        return super().train(mode) or self


def expand_placement(where: Placement, length: int, stage: int) -> list[bool]:
    """Say after which of a stage's ``length`` residual blocks a 4D block follows."""
    if where == "last":
        return [False] * (length - 1) + [True]
    if where in (0, 1) and not isinstance(where, str):
        return [bool(where)] * length
    if isinstance(where, str) or not isinstance(where, Sequence) or len(where) != length:
        raise ValueError(
            f"placement of stage {stage + 1} must be 'last', 0, 1 or {length} flags (it has "
            f"{length} residual blocks), got {where!r}"
        )
    return [bool(flag) for flag in where]


@MODELS.register_module()
class ResNet4d(Blocks4dMixin, ResNet3dSlowOnly):
    """SlowOnly recast in 4D: F4D as published, V4D with another ``block4d``.

    All of SlowOnly's kernels span one frame or one pixel, so its convolutions run on 2D views.
    """


@MODELS.register_module()
class I3D4d(Blocks4dMixin, ResNet3d):
    """I3D (``ResNet3d``) recast in 4D."""


@MODELS.register_module()
class ResNet2Plus1d4d(Blocks4dMixin, ResNet2Plus1d):
    """R(2+1)D recast in 4D."""

    after_first_stage = ()

    def __init__(self, *args: object, conv_cfg: dict = FACTORIZED, **kwargs: Any) -> None:
        super().__init__(*args, conv_cfg=conv_cfg, **kwargs)
        for module in self.modules():  # `Conv2plus1d` cannot choose the kind of its factors
            if type(module) is nn.Conv3d:
                module.__class__ = ViewConv3d


@MODELS.register_module()
class CSN4d(Blocks4dMixin, ResNet3dCSN):
    """Channel-separated networks recast in 4D; ``bn_frozen`` concerns the trunk alone."""

    def train(self, mode: bool = True) -> "CSN4d":
        """Set the training mode; what learns in blocks goes on, unless its stage is frozen."""
        stages = self.block_stage.items()
        blocks = [self.blocks4d[place] for place, stage in stages if stage > self.frozen_stages]
        learning = [p for block in blocks for p in block.parameters() if p.requires_grad]
        super().train(mode)
        for parameter in learning:
            parameter.requires_grad_()
        return self


@MODELS.register_module()
class X3D4d(Blocks4dMixin, X3D):
    """X3D recast in 4D."""

    stem = ("conv1_s", "conv1_t")
    after_first_stage = ()
    tail = ("conv5",)
