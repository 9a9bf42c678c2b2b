"""RandAugment for videos; the host's needs torchvision or imgaug."""

from collections.abc import Callable
from dataclasses import dataclass

import mmcv
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

# Each takes an RGB image and a level in [-1, 1]; where a direction makes no sense, its size counts.
OPERATIONS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "identity": lambda image, level: image,
    "auto_contrast": lambda image, level: mmcv.auto_contrast(image),
    "equalize": lambda image, level: mmcv.imequalize(image),
    "rotate": lambda image, level: mmcv.imrotate(image, 30 * level),
    "solarize": lambda image, level: mmcv.solarize(image, 256 * (1 - abs(level))),
    "color": lambda image, level: mmcv.adjust_color(image, 1 + 0.9 * level),
    "posterize": lambda image, level: mmcv.posterize(image, 8 - round(4 * abs(level))),
    "contrast": lambda image, level: mmcv.adjust_contrast(image, 1 + 0.9 * level),
    "brightness": lambda image, level: mmcv.adjust_brightness(image, 1 + 0.9 * level),
    "sharpness": lambda image, level: mmcv.adjust_sharpness(image, 1 + 0.9 * level),
    "shear_x": lambda image, level: mmcv.imshear(image, 0.3 * level, "horizontal"),
    "shear_y": lambda image, level: mmcv.imshear(image, 0.3 * level, "vertical"),
    "translate_x": lambda image, level: mmcv.imtranslate(
        image, round(0.45 * level * image.shape[1]), "horizontal"
    ),
    "translate_y": lambda image, level: mmcv.imtranslate(
        image, round(0.45 * level * image.shape[0]), "vertical"
    ),
}


@TRANSFORMS.register_module()
@dataclass(eq=False)
class RandAugmentUnits(BaseTransform):
    """RandAugment (Cubuk et al., 2020) with one draw for all frames of a video.

    ``num_ops`` operations follow one another at a strength of ``magnitude``, 0 to 10. Required and
    changed key: ``imgs`` (frames (H, W, 3) of uint8).

    Raises:
        ValueError: a magnitude beyond its range, or a negative number of operations.
    """

    num_ops: int = 2
    magnitude: float = 9

    def __post_init__(self) -> None:
        if not 0 <= self.magnitude <= 10:
            raise ValueError(f"magnitude must lie in [0, 10], got {self.magnitude!r}")
        if self.num_ops < 0:
            raise ValueError(f"num_ops must not be negative, got {self.num_ops!r}")

    def transform(self, results: dict) -> dict:
        """Change every frame of the video alike."""
        for name in np.random.choice(list(OPERATIONS), self.num_ops):
            level = np.random.choice((-1, 1)) * self.magnitude / 10
            results["imgs"] = [OPERATIONS[name](image, level) for image in results["imgs"]]
        return results
