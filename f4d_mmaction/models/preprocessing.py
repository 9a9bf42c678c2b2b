"""Action units as input of recognizers that do not support units."""

from __future__ import annotations

import torch
from mmaction.models.data_preprocessors import ActionDataPreprocessor
from mmaction.registry import MODELS
from torch import Tensor


def check_packed_units(inputs: list[Tensor]) -> None:
    """Raise ``ValueError`` unless each video is (views, U, C, T, H, W)."""
    for video in inputs:
        if video.ndim != 6:
            raise ValueError(
                f"expected (views, U, C, T, H, W) per video, got {tuple(video.shape)}; the "
                "pipeline must end in FormatActionUnits and PackActionInputs"
            )


@MODELS.register_module()
class UnitsAsFrames(ActionDataPreprocessor):
    """Hand units to a 2D recognizer (TSN, TSM, ...) as one sequence of frames.

    Takes what ``FormatActionUnits`` packs, (views, U, C, T, H, W) per video, and gives
    (N, views*U*T, C, H, W) in time order, view by view, so that one pipeline feeds every model.

    Args:
        **kwargs: Of ``ActionDataPreprocessor``; ``format_shape`` is NCHW.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(format_shape="NCHW", **kwargs)

    def preprocess(
        self, inputs: list[Tensor], data_samples: list | None, training: bool = False
    ) -> tuple[Tensor, list | None]:
        """Reorder each video's units into frames, then normalize as the host does."""
        check_packed_units(inputs)
        frames = [video.transpose(2, 3).flatten(0, 2) for video in inputs]
        return super().preprocess(frames, data_samples, training)


@MODELS.register_module()
class UnitsAsClip(ActionDataPreprocessor):
    """Hand units to a 3D recognizer (I3D, SlowFast, ...) as one clip of U*T frames.

    (views, U, C, T, H, W) per video -> (N, views, C, U*T, H, W) in time order.

    Args:
        **kwargs: Of ``ActionDataPreprocessor``; ``format_shape`` is NCTHW.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(format_shape="NCTHW", **kwargs)

    def preprocess(
        self, inputs: list[Tensor], data_samples: list | None, training: bool = False
    ) -> tuple[Tensor, list | None]:
        """Join each video's units along time, then normalize as the host does."""
        check_packed_units(inputs)
        clips = [torch.flatten(video.transpose(1, 2), 2, 3) for video in inputs]
        return super().preprocess(clips, data_samples, training)


@MODELS.register_module()
class UnitCombinations(ActionDataPreprocessor):
    """V4D's inference (Zhang et al., ICLR 2020, Algorithm 1): test on combinations of units.

    A network trained with ``train_units`` units sees that many at a test too: the U units of a
    video are divided into that many sections, and each in-order choice of one unit from every
    section becomes a view of its own, whose scores the head averages. Takes (views, U, C, T, H, W)
    per video and gives (N, views * combinations, train_units, C, T, H, W), view by view; U = 10 and
    4 make 2 * 3 * 2 * 3 = 36. ``test_cfg=dict(max_testing_views=k)`` bounds the memory.

    As in the authors' code, and unlike their algorithm, what the trunk computes of a unit before
    the first 4D block is computed anew for each combination: the scores are the same.

    Args:
        train_units: Units in training.
        format_shape: Of ``ActionDataPreprocessor``.
        **kwargs: Of ``ActionDataPreprocessor``.

    Raises:
        ValueError: a video has fewer units than ``train_units``.
    """

    def __init__(self, train_units: int, format_shape: str = "NCTHW", **kwargs: object) -> None:
        super().__init__(format_shape=format_shape, **kwargs)
        self.train_units = train_units

    def preprocess(
        self, inputs: list[Tensor], data_samples: list | None, training: bool = False
    ) -> tuple[Tensor, list | None]:
        """Combine each video's units at a test, then normalize as the host does."""
        if not training:
            inputs = [
                video[:, combinations(video.shape[1], self.train_units)].flatten(0, 1)
                for video in inputs
            ]
        return super().preprocess(inputs, data_samples, training)


def combinations(num_units: int, sections: int) -> Tensor:
    """Every in-order choice of one unit from each section: indices (combinations, sections).

    Raises:
        ValueError: more sections than units.
    """
    if not 1 <= sections <= num_units:
        raise ValueError(f"cannot divide {num_units} units into {sections} sections")
    edges = torch.arange(sections + 1) * num_units // sections
    return torch.cartesian_prod(*map(torch.arange, edges, edges[1:])).view(-1, sections)
