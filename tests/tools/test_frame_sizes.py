"""A pipeline that keeps the sizes of the videos is refused where these differ, before a step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from frame_sizes import require_one_size
from mmengine.config import Config

from f4d_mmaction.engine.launch import ConfigError
from f4d_mmaction.visualization import write_video

RESIZE = dict(type="Resize", scale=(32, 32), keep_ratio=False)


@pytest.mark.parametrize(
    ("steps", "passes"),
    [
        ([], False),
        ([dict(type="Resize", scale=(-1, 40))], False),
        ([dict(type="RandomResizedCrop")], False),
        ([dict(type="RandomResizedCrop"), RESIZE, dict(type="Flip")], True),
        ([dict(type="Resize", scale=(-1, 40)), dict(type="CenterCrop", crop_size=32)], True),
    ],
)
def test_frames_of_several_sizes_are_refused(
    root: Path, tmp_path: Path, steps: list[dict], passes: bool
) -> None:
    for name, size in (("a", (48, 64)), ("b", (64, 48))):
        write_video(tmp_path / f"{name}.mp4", np.zeros((4, *size, 3), np.uint8), 10)
    config = Config.fromfile(root / "configs/recognition/f4d/f4d_r18_phase_order.py")
    dataset = config.train_dataloader.dataset
    dataset.update(ann_file=str(tmp_path / "train.txt"), data_prefix=dict(video=str(tmp_path)))
    dataset.metainfo = dict(classes=["x", "y"])
    (tmp_path / "train.txt").write_text("a.mp4 0\na.mp4 1\n")
    require_one_size(config)
    dataset.pipeline[3:3] = steps
    (tmp_path / "train.txt").write_text("a.mp4 0\nb.mp4 1\n")
    if passes:
        require_one_size(config)
    else:
        with pytest.raises(ConfigError, match="such as 48 x 64 and 64 x 48"):
            require_one_size(config)
