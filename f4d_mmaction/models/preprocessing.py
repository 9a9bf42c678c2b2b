"""Action units as input: less their mean frame, or regrouped for what does not support units."""

from typing import Any

import torch
from mmaction.models.data_preprocessors import ActionDataPreprocessor
from mmaction.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ActionUnits(ActionDataPreprocessor):
    """Normalize the units of each video, (views, U, C, T, H, W), as the host does.

    With ``subtract_mean_frame`` each view first loses the mean of its frames: what stands still
    becomes 0, so ``mean`` should be 0 too. Other arguments are those of ``ActionDataPreprocessor``.

    Raises:
        ValueError: a video of another form, or of other numbers of units and frames than its
            batch, which the host would fill up with black ones.
    """

    def __init__(self, subtract_mean_frame: bool = False, **kwargs: Any) -> None:
        super().__init__(**{"format_shape": "NCTHW", **kwargs})
        self.subtract_mean_frame = subtract_mean_frame

    def preprocess(
        self, inputs: list[Tensor], data_samples: list | None, training: bool = False
    ) -> tuple[Tensor, list | None]:
        """Regroup, normalize and stack videos."""
        for video in inputs:
            if video.ndim != 6:
                raise ValueError(
                    f"expected (views, U, C, T, H, W) per video, got {tuple(video.shape)}; the "
                    "pipeline must end in FormatActionUnits and PackActionInputs"
                )
        if len(counts := {tuple(video.shape[:4]) for video in inputs}) > 1:
            raise ValueError(
                f"expected as many views, units and frames of each video in a batch, got "
                f"(views, U, C, T) {' and '.join(map(str, sorted(counts)))}; sample all datasets "
                "alike, or set batch_size=1"
            )
        if self.subtract_mean_frame:
            kind = getattr(self, "mean", torch.empty(0)).dtype  # of a network in half precision
            inputs = [less_mean_frame(video).to(kind) for video in inputs]
        inputs = [self.regroup(video, training) for video in inputs]
        return super().preprocess(inputs, data_samples, training)

    def regroup(self, video: Tensor, training: bool) -> Tensor:
        """Keep the units of a video as they are."""
        return video


@MODELS.register_module()
class UnitsAsFrames(ActionUnits):
    """Hand units to a 2D recognizer (TSN, TSM, ...) as one sequence of frames.

    (N, views*U*T, C, H, W) in time order, view by view, so that one pipeline feeds every model.
    ``num_segments`` is TSM's, which would shift frames of one video into another if U*T differed.
    """

    def __init__(self, num_segments: int | None = None, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "format_shape": "NCHW"})
        self.num_segments = num_segments

    def regroup(self, video: Tensor, training: bool) -> Tensor:
        """Map (views, U, C, T, H, W) to (views*U*T, C, H, W)."""
        frames = video.shape[1] * video.shape[3]
        if self.num_segments not in (None, frames):
            raise ValueError(f"num_segments={self.num_segments}, but there are {frames} frames")
        return video.transpose(2, 3).flatten(0, 2)


@MODELS.register_module()
class UnitsAsClip(ActionUnits):
    """Hand units to a 3D recognizer (I3D, SlowFast, ...) as a clip (N, views, C, U*T, H, W)."""

    def regroup(self, video: Tensor, training: bool) -> Tensor:
        """Map (views, U, C, T, H, W) to (views, C, U*T, H, W) in time order."""
        return torch.flatten(video.transpose(1, 2), 2, 3)


@MODELS.register_module()
class UnitCombinations(ActionUnits):
    """V4D's inference (Zhang et al., ICLR 2020, Algorithm 1): test on combinations of units.

    A network trained with ``train_units`` units sees that many at a test too: the U units of a
    video are divided into that many sections, and each in-order choice of one unit from every
    section becomes a view of its own, whose scores the head averages:
    (N, views * combinations, train_units, C, T, H, W), view by view. U = 10 and 4 make
    2 * 3 * 2 * 3 = 36. ``test_cfg=dict(max_testing_views=k)`` bounds the memory.

    Raises:
        ValueError: a video has fewer units than ``train_units``.
    """

    def __init__(self, train_units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.train_units = train_units

    def regroup(self, video: Tensor, training: bool) -> Tensor:
        """Map (views, U, C, T, H, W) to (views * combinations, train_units, C, T, H, W)."""
        if training:
            return video
        return video[:, combinations(video.shape[1], self.train_units)].flatten(0, 1)


def less_mean_frame(video: Tensor) -> Tensor:
    """Subtract from each view's frames, (views, U, C, T, H, W), their mean: what moves is left."""
    return video - video.mean((1, 3), keepdim=True, dtype=torch.float32)


def combinations(num_units: int, sections: int) -> Tensor:
    """All in-order choices of one unit from each section; ``ValueError`` if units are too few."""
    if not 1 <= sections <= num_units:
        raise ValueError(f"cannot divide {num_units} units into {sections} sections")
    edges = torch.arange(sections + 1) * num_units // sections
    return torch.cartesian_prod(*map(torch.arange, edges, edges[1:])).view(-1, sections)


def reverse_units(module: nn.Module, args: tuple) -> tuple:
    """Reverse the units of each video (views, U, C, T, H, W), not their frames.

    A forward pre-hook of a data preprocessor: what reversing costs tells who reads the order.
    """
    data, *rest = args
    return ({**data, "inputs": [video.flip(1) for video in data["inputs"]]}, *rest)
