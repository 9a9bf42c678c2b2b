"""Video-level segment sampling: U action units, one from each section of the video."""

from dataclasses import dataclass

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform


@TRANSFORMS.register_module()
@dataclass(eq=False)
class SampleActionUnits(BaseTransform):
    """Sample one action unit from each of ``num_units`` U equal sections (paper, section III.A).

    A unit is ``clip_len`` T frames, ``frame_interval`` apart. In training it lies at a random place
    of its section; in ``test_mode`` its center is the section's, to the rounding of one frame.

    A section of a short video may hold fewer frames than a unit covers. ``short`` then decides:

    - ``'shrink'``: the interval of that video shrinks until a unit fits its section; where even T
      consecutive frames do not fit, T indices are spread evenly over the section, with repeats;
    - ``'overlap'``: the interval stays and units reach into their neighbors' sections: the places
      where a unit lies inside the video are cut into U equal parts, one for each, and in
      ``test_mode`` units are spread from its first to its last frame; indices of a unit longer
      than the whole video are clamped.

    Required keys: ``total_frames``, ``start_index``. Added keys: ``frame_inds`` (U*T,) in time
    order of the units, ``clip_len`` (T), ``frame_interval`` (nominal), ``num_clips`` (U), as
    ``SampleFrames`` writes them for the host's decoders; ``num_units`` (U), for those of units.

    Raises:
        ValueError: a size below 1, an unknown ``short``, or a video without frames.
    """

    num_units: int
    clip_len: int
    frame_interval: int = 1
    short: str = "shrink"
    test_mode: bool = False

    def __post_init__(self) -> None:
        for name in ("num_units", "clip_len", "frame_interval"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
        if self.short not in ("shrink", "overlap"):
            raise ValueError(f"short must be 'shrink' or 'overlap', got {self.short!r}")

    def sample(self, total_frames: int) -> np.ndarray:
        """Draw frame indices (U, T) within ``[0, total_frames)``."""
        # Frame f belongs to section i if i*N/U <= f < (i+1)*N/U; a section of a video with fewer
        # frames than sections may hold none and then reads the frame that contains it.
        edges = np.arange(self.num_units + 1) * total_frames / self.num_units
        first = np.minimum(np.ceil(edges[:-1]), np.floor(edges[:-1]) + (np.diff(edges) >= 1))
        size = np.maximum(np.ceil(edges[1:]) - first, 1)
        center = (edges[:-1] + edges[1:] - 1) / 2
        # One random number per unit is its position in the free space of the section.
        place = np.full(self.num_units, 0.5) if self.test_mode else np.random.rand(self.num_units)

        interval = self.frame_interval
        if self.short == "shrink":
            if size.min() < self.clip_len:
                steps = (np.arange(self.clip_len) + place[:, None]) / self.clip_len
                return (first[:, None] + np.floor(steps * size[:, None])).astype(np.int64)
            interval = min(interval, int(size.min() - 1) // max(self.clip_len - 1, 1))

        reach = (self.clip_len - 1) * interval  # from the first frame of a unit to its last
        room = size - 1 - reach
        if room.min() < 0:  # units overlap: each has its share of the places within the video
            low, high = sorted((0, total_frames - 1 - reach))  # or those that hold all of it
            parts = (np.arange(self.num_units) + place) / self.num_units
            offset = low + np.floor(parts * (high - low + 1))
            if self.test_mode and self.num_units > 1:  # the first and the last frame are tested
                offset = np.round(np.linspace(low, high, self.num_units))
        elif self.test_mode:
            offset = np.clip(np.round(center - reach / 2), first, first + room)
        else:
            offset = first + np.floor(place * (room + 1))
        indices = offset[:, None] + np.arange(self.clip_len) * interval
        return np.clip(indices, 0, total_frames - 1).astype(np.int64)

    def transform(self, results: dict) -> dict:
        """Add the sampled indices to ``results``."""
        total_frames = results["total_frames"]
        name = results.get("filename", results.get("frame_dir", "the video"))
        if not isinstance(total_frames, (int, np.integer)):
            raise TypeError(f"{name}: total_frames must be a whole number, got {total_frames!r}")
        if total_frames < 1:
            raise ValueError(
                f"{name} has {total_frames} frames; action units need at least one. "
                "Remove it from the annotation file or repair it."
            )
        indices = self.sample(int(total_frames)) + results["start_index"]
        results.update(frame_inds=indices.reshape(-1), num_clips=self.num_units)
        results.update(clip_len=self.clip_len, frame_interval=self.frame_interval)
        results["num_units"] = self.num_units
        return results
