"""Three splits, one command: each on its own lists, and the mean of the three."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from miniature import make_hmdb51
from mmaction.registry import HOOKS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from preparation import prepare
from train_splits import of_split, train_splits

CONFIG = "configs/recognition/f4d/f4d_r50_hmdb51.py"


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hmdb51")
    mini = make_hmdb51(root)
    prepare("hmdb51", mini.annotations, mini.media, root, split=2)
    return root


def small(config: Config, data_root: Path, work_dir: Path) -> Config:
    """A narrow network on one video a split, two units of two frames of 32 x 32 pixels."""
    config.load_from = None
    config.model.backbone.base_channels = 4
    config.model.cls_head.in_channels = 128
    pipeline = [
        dict(type="InitVideo"),
        dict(type="SampleActionUnits", num_units=2, clip_len=2, test_mode=True),
        dict(type="DecodeUnits"),
        dict(type="Resize", scale=(32, 32), keep_ratio=False),
        dict(type="FormatActionUnits"),
        dict(type="PackActionInputs"),
    ]
    for subset in ("train", "val", "test"):
        loader = config[f"{subset}_dataloader"]
        loader.update(num_workers=0, persistent_workers=False, batch_size=3)
        loader.dataset.update(data_root=str(data_root), pipeline=pipeline)
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.test_evaluator = [config.test_evaluator, dict(type="ConfusionMatrix")]  # is no number
    config.work_dir = str(work_dir)
    return config


def test_a_split_that_is_done_is_kept_and_the_mean_is_of_all(
    root: Path, data_root: Path, tmp_path: Path, run_tool: Callable
) -> None:
    work_dir = tmp_path / "work_dir"
    small(Config.fromfile(root / CONFIG), data_root, work_dir).dump(tmp_path / "config.py")
    metrics = {
        "1": {"acc/top1": 0.25, "acc/top5": 0.75, "acc/mean1": 0.125},
        "3": {"acc/top1": 0.5, "acc/top5": 1.0, "acc/mean1": 0.375, "bad_videos/missing": 1},
    }
    for split, done in metrics.items():
        (work_dir / f"split{split}").mkdir(parents=True)
        (work_dir / f"split{split}" / "metrics.json").write_text(json.dumps(done))
    run_tool("train_splits.py", "config.py")

    result = json.loads((work_dir / "metrics.json").read_text())
    metrics["2"] = json.loads((work_dir / "split2" / "metrics.json").read_text())
    assert result["splits"] == metrics
    assert result["mean"]["bad_videos/missing"] == pytest.approx(1 / 3)
    for name, mean in result["mean"].items():
        values = [found.get(name, 0) for found in metrics.values()]
        assert mean == pytest.approx(statistics.fmean(values))
        assert result["spread"][name] == pytest.approx(statistics.stdev(values))
    run_tool("train_splits.py", "config.py")
    said = run_tool("train_splits.py", "config.py", "--launcher", "none")
    assert f"kept, not run again: {work_dir / 'split2' / 'metrics.json'}" in said
    said = run_tool("train_splits.py", "config.py", "--seed", "7", code=1)
    assert f"{work_dir / 'split2'} was begun with another config, seed or option" in said
    assert json.loads((work_dir / "metrics.json").read_text()) == result
    said = run_tool("train_splits.py", "config.py", "--splits", "2", "4", "--work-dir", "w", code=1)
    assert "train_split4.txt of train_dataloader is missing" in said
    assert not Path(tmp_path, "w/split2").exists(), "no split before all are there"
    (log,) = (work_dir / "split2").glob("*/*.log")
    lists = {word for word in log.read_text().split("'") if "_split" in word and ".txt" in word}
    assert lists == {"train_split2.txt", "val_split2.txt"}


@HOOKS.register_module(force=True)
class WeightsSeen(Hook):
    """Keeps the sum of the weights that each validation and test saw."""

    priority = "LOW"  # behind EMAHook
    seen: ClassVar[list[float]] = []

    def after_val_iter(self, runner: Runner, *_: object, **__: object) -> None:
        self.seen.append(sum(p.abs().sum().item() for p in runner.model.parameters()))

    after_test_iter = after_val_iter


def test_the_average_of_the_weights_is_tested(root: Path, data_root: Path, tmp_path: Path) -> None:
    config = small(Config.fromfile(root / CONFIG), data_root, tmp_path / "work_dir")
    config.launcher = "none"
    config.custom_hooks = [dict(type="SyncedEMAHook"), dict(type="WeightsSeen")]
    config.optim_wrapper.optimizer.lr = 1.0
    WeightsSeen.seen.clear()
    train_splits(config, [2])
    validated, *tested = WeightsSeen.seen
    assert len(tested) == 1
    assert tested[0] == validated


def test_wrapped_datasets_and_lists_of_mmaction2_follow() -> None:
    mine = dict(ann_file="val_split1.txt")
    theirs = dict(type="RepeatDataset", dataset=dict(ann_file="ucf101_train_split_1_videos.txt"))
    several = dict(type="ConcatDataset", datasets=[mine, theirs])
    loaders = {f"{subset}_dataloader": dict(dataset=mine) for subset in ("val", "test")}
    config = Config(dict(work_dir="w", train_dataloader=dict(dataset=several), **loaders))
    found = of_split(config, 2)
    first, second = found.train_dataloader.dataset.datasets
    assert first.ann_file == found.test_dataloader.dataset.ann_file == "val_split2.txt"
    assert second.dataset.ann_file == "ucf101_train_split_2_videos.txt"
    assert found.work_dir == str(Path("w") / "split2")
    assert config.val_dataloader.dataset.ann_file == "val_split1.txt"


def test_a_dataset_of_one_split_is_refused(root: Path) -> None:
    config = Config.fromfile(root / "configs/recognition/f4d/f4d_r50_sthv1.py")
    config.work_dir = "w"
    with pytest.raises(ValueError, match=r"train\.txt is not the list of one split"):
        of_split(config, 2)
