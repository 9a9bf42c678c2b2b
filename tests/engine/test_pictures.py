"""A run leaves its error curves, and shows the attention of validation videos while it trains."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmaction.registry import HOOKS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from pages import block
from tiny_run import write_config
from torch import nn

from f4d_mmaction.engine.hooks import AttentionVisualizationHook, pictures
from f4d_mmaction.visualization import read_errors

WATCHED = """
_base_.train_cfg.max_epochs = 2
_base_.param_scheduler[0].total_steps = 2
_base_.train_dataloader.dataset.metainfo = dict(classes="{data}/classes.txt")
_base_.val_dataloader.dataset.metainfo = dict(classes="{data}/classes.txt")
for loader in (_base_.train_dataloader, _base_.val_dataloader):
    loader.num_workers = 0
    loader.persistent_workers = False
"""


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory, benchmark: Path) -> Path:
    pytest.importorskip("tensorboard")
    folder = tmp_path_factory.mktemp("run")
    changes = WATCHED.format(data=benchmark)
    base = write_config(folder, benchmark, changes)
    page = block("docs/inference.md", "TensorboardVisBackend")
    (folder / "own.py").write_text(re.sub('(?<=_base_ = ").*(?=")', str(base), page))
    config = Config.fromfile(folder / "own.py")
    config.work_dir = str(folder / "work")
    Runner.from_cfg(config).train()
    return folder / "work"


@pytest.mark.parametrize("options", [dict(num_videos=0), dict(interval=0)])
def test_sizes_below_one_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        AttentionVisualizationHook(**options)


def test_a_run_only_loses_a_picture(work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.fromfile(next(work_dir.glob("*.py")))
    config.work_dir = str(work_dir.parent / "other")
    runner, said = Runner.from_cfg(config), []
    monkeypatch.setattr(runner.logger, "warning", said.append)
    AttentionVisualizationHook(num_videos=2, location="layer9_0").after_val_epoch(runner)
    assert len(said) == 2
    assert "no attention at 'layer9_0'; expected one of ['layer1_1'" in said[0]


def test_attention_is_of_the_averaged_weights_that_were_validated(
    work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, sums = Config.fromfile(next(work_dir.glob("*.py"))), []

    def total(model: nn.Module) -> float:
        return sum(parameter.double().abs().sum().item() for parameter in model.parameters())

    @HOOKS.register_module(force=True)
    class SumHook(Hook):
        def after_val_iter(self, runner: Runner, *_: object, **__: object) -> None:
            sums.append(total(runner.model))

    def recognize(model: nn.Module, *_: object) -> list:
        sums.append(total(model))
        raise ValueError("no picture is needed")

    monkeypatch.setattr(pictures, "recognize_packed", recognize)
    config.work_dir, config.optim_wrapper.optimizer.lr = str(work_dir.parent / "average"), 1.0
    config.custom_hooks = [dict(type="SyncedEMAHook"), dict(type="SumHook")]
    config.train_cfg.update(max_epochs=1, val_interval=1)
    Runner.from_cfg(config).train()
    assert len(sums) > 2
    assert len({*sums}) == 1


def test_the_end_of_training_leaves_curves_and_class_names(work_dir: Path, benchmark: Path) -> None:
    assert cv2.imread(str(work_dir / "curves.png")).std() > 1
    errors = read_errors(work_dir)
    assert set(errors.train) == set(errors.val) == {1, 2}
    assert 16 * errors.train[1] == pytest.approx(round(16 * errors.train[1])), "of the 16 videos"
    meta = torch.load(work_dir / "epoch_2.pth", weights_only=True)["meta"]
    assert meta["dataset_meta"]["classes"] == (benchmark / "classes.txt").read_text().splitlines()


def test_each_validation_writes_contact_sheets_and_tensorboard_shows_them(work_dir: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sheets = sorted(work_dir.glob("*/vis_data/vis_image/*.png"))
    assert [path.name for path in sheets] == [
        f"attention_{index:05}_{index:05}_{epoch}.png" for index in (0, 2, 4, 6) for epoch in (1, 2)
    ]
    (log,) = work_dir.glob("*/vis_data/events.*")
    events = EventAccumulator(str(log), size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    assert {"acc/top1", "top1_acc", "loss", "data_time"} <= set(events.Tags()["scalars"])
    images = events.Images("attention_00004_00004")
    assert [image.step for image in images] == [1, 2]
    shown = cv2.imdecode(np.frombuffer(images[0].encoded_image_string, np.uint8), 1)
    assert shown.shape[0] > 400
    assert (shown == cv2.imread(str(sheets[4]))).all()
