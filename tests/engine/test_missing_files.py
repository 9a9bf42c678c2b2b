"""The first command of a newcomer, before the data is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from mmengine.config import Config

from f4d_mmaction.engine.missing_files import missing_files, require_files


@pytest.fixture
def config(root: Path, benchmark: Path) -> Config:
    config = Config.fromfile(root / "configs/recognition/f4d/f4d_r18_phase_order.py")
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.dataset.update(ann_file=str(benchmark / Path(loader.dataset.ann_file).name))
        loader.dataset.data_prefix = dict(video=str(benchmark))
    return config


def test_one_sentence_of_one_process(root: Path, subprocess_env: dict, tmp_path: Path) -> None:
    config = root / "configs/recognition/f4d/f4d_r50_sthv1.py"
    done = subprocess.run(
        ["bash", root / "tools/dist_train.sh", config, "4"],
        env=subprocess_env, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    (said,) = (line for line in (done.stdout + done.stderr).splitlines() if "Warning" not in line)
    assert f"annotation list {tmp_path}/data/sthv1/train.txt" in said
    assert "docs/datasets.md" in said


def test_all_there_is_silence(config: Config) -> None:
    assert list(missing_files(config, ["train", "val"])) == []


def test_each_missing_thing_is_named(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = config.train_dataloader.dataset
    dataset.data_prefix = dict(video=str(tmp_path))
    (found,) = missing_files(config, ["train"])
    first = Path(dataset.ann_file).read_text().split()[0]
    assert found.startswith(f"video {tmp_path / first} of {dataset.ann_file} of train_dataloader")
    dataset.data_prefix = dict(video=str(tmp_path / "videos"))
    (found,) = missing_files(config, ["train"])
    assert found.startswith(f"folder {tmp_path / 'videos'} of train_dataloader is missing")
    assert "make_benchmark.py" in found or "docs/datasets.md" in found
    config.load_from = str(tmp_path / "weights.pth")
    assert "load_from" in list(missing_files(config, ["train"]))[-1]
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit):
        require_files(config, ["train"])


def test_weights_without_a_network(config: Config) -> None:
    config.model.backbone.pretrained = "https://localhost:1/resnet50.pth"
    (found,) = missing_files(config, ["train"])
    assert found.startswith("model.backbone.pretrained https://localhost:1/resnet50.pth cannot be")
    assert "checkpoints/resnet50.pth" in found
