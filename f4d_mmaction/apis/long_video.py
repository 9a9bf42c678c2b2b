"""Scores along long videos: a window of U units slides by one unit, and each unit is seen once.

Neighboring windows share U - 1 units. Their frames are decoded and transformed once, and the trunk
up to the first 4D block, where no unit has seen another yet, runs once for each unit.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from mmaction.models.data_preprocessors import ActionDataPreprocessor
from mmaction.structures import ActionDataSample
from mmengine.dataset import Compose
from mmengine.model import BaseModel
from torch import Tensor

from ..datasets.streaming import average_fps, stream_frames
from ..datasets.transforms import DecodeUnits, FormatActionUnits, SampleActionUnits
from ..models.preprocessing import ActionUnits
from ..models.resnet4d import Blocks4dMixin
from ..structures import Timeline
from .loading import class_names
from .recognition import scores_of, video_pipeline


class SlidingWindow:
    """A recognizer that slides over long videos.

    Args:
        model: Of ``load_recognizer``, with a backbone of this project.
        seconds: Length of a window; as long as its frames, without gaps, if not given.
        fps: Of the videos, to count ``seconds`` in frames.

    Raises:
        ValueError: a network or config that does not work in units, a window of less than a frame
            for each unit, or one in which units overlap.
    """

    def __init__(self, model: BaseModel, fps: float, seconds: float | None = None) -> None:
        backbone, preprocessor = type(model.backbone), type(model.data_preprocessor)
        in_units = issubclass(backbone, Blocks4dMixin) and not model.with_neck
        if not in_units or preprocessor not in (ActionDataPreprocessor, ActionUnits):
            raise ValueError(
                "long videos need a backbone that takes units right from ActionDataPreprocessor or "
                f"ActionUnits, got {backbone.__name__} after {preprocessor.__name__}"
            )
        steps = video_pipeline(model.cfg).transforms
        sampler = next((step for step in steps if isinstance(step, SampleActionUnits)), None)
        kinds = [type(step) for step in steps]
        if sampler is None or FormatActionUnits not in kinds:
            raise ValueError("long videos need a test pipeline that packs action units")
        self.model = model
        # Else a window loses a mean frame of its own, and its units are run when it is whole.
        self.apart = not getattr(model.data_preprocessor, "subtract_mean_frame", False)
        self.units = sampler.num_units
        reach = sampler.clip_len * sampler.frame_interval
        self.section = reach if seconds is None else int(seconds * fps / self.units + 1e-6)
        if seconds is not None and self.section < 1:
            raise ValueError(
                f"a window of {seconds} s has {seconds * fps:.1f} frames, fewer than its "
                f"{self.units} units"
            )
        span = reach - sampler.frame_interval + 1
        if sampler.short == "overlap" and self.section < span and self.units > 1:
            raise ValueError(
                f"short='overlap' lets units of {span} frames reach beyond their sections of "
                f"{self.section}, and so into other windows: choose a longer window, or "
                "short='shrink'"
            )
        self.offsets = replace(sampler, num_units=1, test_mode=True).sample(self.section)[0]
        after = steps[kinds.index(DecodeUnits) + 1 : kinds.index(FormatActionUnits) + 1]
        self.transform = Compose(after)

    def timeline(self, path: str | os.PathLike, batch_size: int = 8) -> Timeline:
        """Score every window of a video of any length, ``batch_size`` units in a forward pass.

        Raises:
            BadVideoError: the file is no video, or damaged.
            ValueError: the video is shorter than one window, or ``batch_size`` is below 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        started = time.perf_counter()
        edges: list[float] = []
        sections = self._sections(path, edges)
        batches = iter(lambda: list(islice(sections, batch_size)), [])
        scores = list(self._scores(map(self.see, batches)))
        if not scores:
            raise ValueError(
                f"{path}: too short: {len(edges) - 1} sections of {self.section} frames, a window "
                f"has {self.units}; choose a shorter window, or recognize the video as a whole"
            )
        names = getattr(self.model, "class_names", None) or class_names(self.model)
        spent, all_scores = time.perf_counter() - started, np.concatenate(scores)
        return Timeline(str(path), names, np.array(edges), self.units, all_scores, spent)

    def format(self, images: list[np.ndarray], units: int) -> np.ndarray:
        """Transform the frames of some units as the test pipeline does: (1, units, C, T, H, W)."""
        shape = images[0].shape[:2]
        results = dict(imgs=list(images), num_clips=units, clip_len=len(images) // units)
        results |= dict(modality="RGB", img_shape=shape, original_shape=shape)
        return self.transform(results)["imgs"]

    def _sections(self, path: str | os.PathLike, edges: list[float]) -> Iterator[np.ndarray]:
        """Yield the unit of each whole section, (1, 1, C, T, H, W), and note when it starts."""
        needed = set(self.offsets.tolist())
        unit: dict[int, np.ndarray] = {}
        step, last, whole = 1 / average_fps(path), 0.0, 0
        for frame in stream_frames(path, lambda index: index % self.section in needed):
            place = frame.number % self.section
            if place == 0:
                edges.append(frame.time)
            if frame.image is not None:
                unit[place] = frame.image
            last = frame.time + step
            if place == self.section - 1:
                whole += 1
                yield self.format([unit[offset] for offset in self.offsets.tolist()], 1)
                unit = {}
        # What is left after the last whole section starts no section of its own.
        edges[whole:] = edges[whole : whole + 1] if len(edges) > whole else [last]

    def _scores(self, batches: Iterator[Tensor]) -> Iterator[np.ndarray]:
        """Score the windows that each batch of units completes: (windows, classes)."""
        recent = None  # the last U - 1 units: what later windows share with earlier ones
        for features in batches:
            recent = features if recent is None else torch.cat((recent, features))
            count = len(recent) - self.units + 1
            if count > 0:
                yield self.score(torch.stack([recent[i : i + self.units] for i in range(count)]))
                recent = recent[count:].clone()  # lets the rest of the batch go

    @torch.no_grad()
    def see(self, units: list[np.ndarray]) -> Tensor:
        """Run units of :meth:`format`, one each, up to the first block: (units, C', T', H', W')."""
        seen = torch.from_numpy(np.stack(units))
        return (self._run_early(seen) if self.apart else seen[:, 0]).squeeze(1)

    def _run_early(self, videos: Tensor) -> Tensor:
        """Run videos (N, 1, U, C, T, H, W) up to the first block: (N, U, C', T', H', W')."""
        data = dict(inputs=list(videos), data_samples=[ActionDataSample() for _ in videos])
        inputs = self.model.data_preprocessor(data, False)["inputs"].flatten(0, 1)
        return self.model.backbone.forward_early(inputs)

    @torch.no_grad()
    def score(self, windows: Tensor) -> np.ndarray:
        """Score windows (N, U, C', T', H', W') of units that were seen: (N, classes)."""
        windows = windows if self.apart else self._run_early(windows[:, None])
        samples = [ActionDataSample() for _ in windows]
        features = self.model.backbone.forward_late(windows)
        return scores_of(self.model, self.model.cls_head.predict(features, samples))
