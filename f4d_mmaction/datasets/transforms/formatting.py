"""Packing of decoded frames into the network's input."""

from dataclasses import dataclass

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform


@TRANSFORMS.register_module()
@dataclass(eq=False)
class FormatActionUnits(BaseTransform):
    """Pack frames as ``(views, U, C, T, H, W)``.

    A view is one spatial crop of one whole unit sequence: ``ThreeCrop`` yields three, so that a
    test's ``max_testing_views`` slices whole crops and never the units of one video.

    Required keys: ``imgs`` (frames of (H, W, C), view by view: U*T a view, or the distinct ones
    where ``unit_index`` (U*T,), of this project's decoders, says which stands where), ``num_clips``
    (U), ``clip_len`` (T). Added keys: ``imgs`` as the packed array, ``input_shape``.

    Raises:
        ValueError: the frames are no whole number of views, or differ in size.
    """

    def transform(self, results: dict) -> dict:
        """Replace the list of frames by the packed array."""
        frames = results["imgs"]
        units, length = results["num_clips"], results["clip_len"]
        index = results.get("unit_index", np.arange(units * length))
        distinct = int(index.max()) + 1
        views, rest = divmod(len(frames), distinct)
        if views == 0 or rest or len(index) != units * length:
            raise ValueError(
                f"{len(frames)} frames are no whole number of views of {units} units x {length} "
                f"frames ({distinct} of them distinct); FormatActionUnits follows "
                "SampleActionUnits, a decoder and crops that keep every frame"
            )
        sizes = {np.shape(frame) for frame in frames}
        if len(sizes) > 1:
            raise ValueError(f"frames differ in size {sorted(sizes)}; resize or crop them alike")
        if len(frames[0].shape) != 3:
            raise ValueError(f"expected frames of (H, W, channels), got {frames[0].shape}")
        order = (distinct * np.arange(views)[:, None] + index).reshape(-1)
        video = np.stack([frames[place] for place in order])
        video = video.reshape(views, units, length, *frames[0].shape)
        # A view: in memory C stays last, which is the network's channels-last layout, and workers
        # need not transpose.
        video = video.transpose(0, 1, 5, 2, 3, 4)
        results.update(imgs=video, input_shape=video.shape)
        return results
