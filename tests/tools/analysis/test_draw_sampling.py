"""The drawing of units shows as many frames as are sampled."""

from pathlib import Path

import cv2
import numpy as np
from draw_sampling import draw_sampling


def test_every_unit_of_every_video_is_drawn_in_its_color(tmp_path: Path) -> None:
    picture = cv2.imread(str(draw_sampling(tmp_path / "units.png", [160], 2, 4, 4)))
    blue, orange = (0xB0, 0x6F, 0x2F), (0x39, 0x7B, 0xE0)  # of the project's style, in BGR
    for color in (blue, orange):
        mask = (np.abs(picture.astype(int) - color).max(2) < 4).astype(np.uint8)
        bars, *_ = cv2.connectedComponents(mask)
        assert bars - 1 == 2 * 4  # T bars under each of the two policies
