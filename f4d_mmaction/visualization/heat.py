"""Attention maps at the size of the frames, and frames that glow where the weights are high."""

from collections.abc import Callable

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F

from ..structures import Recognition

HEAT = "inferno"


def locations(result: Recognition) -> list[str]:
    """Locations of blocks that weigh frames or pixels, in the order of the network."""
    return [
        location
        for location, maps in result.maps.items()
        if any(weights.shape[2:] != (1, 1, 1) for weights in maps.values())
    ]


def frame_weights(result: Recognition, location: str) -> np.ndarray | None:
    """Weight of each frame (U, T) in a block's temporal map; None if it has none."""
    found = _at_frame_size(result, location, lambda T, H, W: T > 1 and H == W == 1)
    return None if found is None else found[..., 0, 0]


def pixel_weights(result: Recognition, location: str) -> np.ndarray | None:
    """Weight of each pixel (U, T, H, W) in a block's spatial map; None if it has none."""
    return _at_frame_size(result, location, lambda T, H, W: H > 1 or W > 1)


def _at_frame_size(
    result: Recognition, location: str, wanted: Callable[[int, int, int], bool]
) -> np.ndarray | None:
    maps = result.maps.get(location)
    if maps is None or result.frames is None:
        raise ValueError(f"no attention at {location!r}; expected one of {list(result.maps)}")
    for weights in maps.values():
        if weights.shape[1] == 1 and wanted(*weights.shape[2:]):
            size = result.frames.shape[1:4]
            return F.interpolate(torch.from_numpy(weights), size, mode="trilinear")[:, 0].numpy()
    return None


def glow(frames: np.ndarray, weights: np.ndarray, low: float, high: float) -> np.ndarray:
    """Lay weights (..., H, W) over frames (..., H, W, 3) of uint8, which come out so too.

    They are dim and nearly gray at the weight ``low``, and glow at ``high``.
    """
    share = np.clip((weights - low) / max(high - low, 1e-12), 0, 1)[..., None]
    heat = 255 * matplotlib.colormaps[HEAT](0.25 + 0.7 * share[..., 0])[..., :3]
    calm = 0.55 * frames + 0.35 * frames.mean(-1, keepdims=True)
    strength = 0.75 * share
    return np.rint(calm * (1 - strength) + heat * strength).astype(np.uint8)
