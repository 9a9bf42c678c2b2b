"""Contact sheets of what a pipeline feeds the network."""

import cv2
import pytest
from browse_data import browse_data
from mmengine.config import Config
from tiny_run import write_config

from f4d_mmaction.analysis.complexity import protocol
from f4d_mmaction.datasets.video_errors import BadVideoError


def test_samples_of_any_subset_are_drawn_evenly_spread(tmp_path, benchmark):
    config = Config.fromfile(write_config(tmp_path, benchmark))
    train = browse_data(config, tmp_path / "out", "train", 2)
    assert [path.name for path in train] == ["train_00000_00000.png", "train_00008_00008.png"]
    assert len(browse_data(config, tmp_path / "out", "val", 100)) == 8
    assert all(cv2.imread(str(path)).std() > 10 for path in train)


def test_wrapped_subsets_are_drawn_and_their_protocol_read(tmp_path, benchmark):
    config = Config.fromfile(write_config(tmp_path, benchmark))
    plain = protocol(config)
    part = config.test_dataloader.dataset
    config.test_dataloader.dataset = dict(type="ConcatDataset", datasets=[part, part])
    assert len(browse_data(config, tmp_path, "test", 3)) == 3
    assert protocol(config) == plain


def test_a_pipeline_without_units_is_told(tmp_path, benchmark):
    config = Config.fromfile(write_config(tmp_path, benchmark))
    pipeline = config.train_dataloader.dataset.pipeline
    place = next(i for i, step in enumerate(pipeline) if step.type == "FormatActionUnits")
    pipeline[place] = dict(type="FormatShape", input_format="NCTHW")
    with pytest.raises(ValueError, match="packs no units"):
        browse_data(config, tmp_path)


def test_bad_videos_are_left_out_and_told_unless_all_are(tmp_path, benchmark):
    config = Config.fromfile(write_config(tmp_path, benchmark))
    dataset = config.test_dataloader.dataset
    good = (benchmark / "test.txt").read_text().splitlines()[0]
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 9)
    dataset.ann_file = str(tmp_path / "test.txt")
    (tmp_path / "test.txt").write_text(f"{tmp_path}/noise.mp4 0\n{good}\n{tmp_path}/gone.mp4 1\n")
    with pytest.warns(UserWarning, match="left out: ") as told:
        (picture,) = browse_data(config, tmp_path / "out", "test")
    assert len(told) == 2
    assert picture.name.startswith("test_00001_")
    (tmp_path / "test.txt").write_text(f"{tmp_path}/noise.mp4 0\n")
    with pytest.raises(BadVideoError, match=r"noise\.mp4"):
        browse_data(config, tmp_path / "out", "test")
