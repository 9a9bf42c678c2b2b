"""A pipeline that keeps the sizes of the videos is refused where these differ, before a step."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from frame_sizes import require_one_size
from mmengine.config import Config

from f4d_mmaction.engine.launch import ConfigError
from f4d_mmaction.visualization import write_video

RESIZE = dict(type="Resize", scale=(32, 32), keep_ratio=False)


@pytest.fixture
def config(root: Path, tmp_path: Path) -> Config:
    """Videos of two sizes, each alone in one list and together in another."""
    for name, size in (("a", (48, 64)), ("b", (64, 48))):
        write_video(tmp_path / f"{name}.mp4", np.zeros((4, *size, 3), np.uint8), 10)
    for names in ("aa", "bb", "ab"):
        rows = (f"{name}.mp4 {label}\n" for label, name in enumerate(names))
        (tmp_path / f"{names}.txt").write_text("".join(rows))
    config = Config.fromfile(root / "configs/recognition/f4d/f4d_r18_phase_order.py")
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.update(
            data_root=str(tmp_path), data_prefix=dict(video=""), metainfo=dict(classes=["x", "y"])
        )
    return config


def check(config: Config, passes: bool, phase: str = "train") -> None:
    if passes:
        require_one_size(config, [phase])
    else:
        with pytest.raises(ConfigError, match=rf"{phase}_dataloader make .*, such as \(1, .* and"):
            require_one_size(config, [phase])


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
    config: Config, steps: list[dict], passes: bool
) -> None:
    dataset = config.train_dataloader.dataset
    dataset.ann_file = "aa.txt"
    check(config, passes=True)
    dataset.pipeline[3:3] = steps
    dataset.ann_file = "ab.txt"
    check(config, passes)
    config.train_dataloader.batch_size = 1
    check(config, passes=True)


def test_frames_of_random_sizes_are_refused(config: Config) -> None:
    dataset = config.train_dataloader.dataset
    dataset.ann_file = "aa.txt"
    dataset.pipeline.insert(3, dict(type="RandomResizedCrop", area_range=(0.1, 1.0)))
    check(config, passes=False)


def test_names_without_suffix_are_looked_at(config: Config, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a 0\nb 1\n")
    config.train_dataloader.dataset.ann_file = "names.txt"
    check(config, passes=False)


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        (lambda other: None, True),
        (lambda other: other.update(ann_file="bb.txt"), False),
        (lambda other: other.pipeline[1].update(num_units=5), False),
        (lambda other: other.pipeline[1].update(clip_len=2), False),
        (lambda other: other.pipeline.insert(3, RESIZE), False),
        (lambda other: other.pipeline[1].update(frame_interval=1), True),
    ],
)
def test_datasets_joined_must_make_one_shape(
    config: Config, change: Callable, passes: bool
) -> None:
    one = config.train_dataloader.dataset
    one.ann_file = "aa.txt"
    other = deepcopy(one)
    change(other)
    config.train_dataloader.dataset = dict(
        type="RepeatDataset", times=2, dataset=dict(type="ConcatDataset", datasets=[one, other])
    )
    check(config, passes)


def test_tests_are_refused_where_a_batch_has_several_videos(
    config: Config, tmp_path: Path, run_tool: Callable
) -> None:
    loader = config.test_dataloader
    del loader.dataset.pipeline[4]  # the crop
    loader.dataset.ann_file = "ab.txt"
    check(config, passes=False, phase="test")
    config.dump(tmp_path / "kept.py")
    torch.save({}, tmp_path / "some.pth")
    arguments = ["test.py", tmp_path / "kept.py", tmp_path / "some.pth", "--only-check"]
    assert "samples of several shapes" in run_tool(*arguments, code=1)
    run_tool(*arguments, "--cfg-options", "test_dataloader.batch_size=1")
