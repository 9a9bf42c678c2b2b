"""Action units as input of recognizers that know nothing of units."""

from __future__ import annotations

import torch
from mmaction.models.data_preprocessors import ActionDataPreprocessor
from mmaction.registry import MODELS
from torch import Tensor


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
        """Reorder each video's units into frames, then normalise as the host does."""
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
        """Join each video's units along time, then normalise as the host does."""
        clips = [torch.flatten(video.transpose(1, 2), 2, 3) for video in inputs]
        return super().preprocess(clips, data_samples, training)
