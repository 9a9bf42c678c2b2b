"""Labels outside the classes stop a run before its first step."""

import copy
import logging
from argparse import Namespace
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmaction.datasets import RawframeDataset
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_run import write_config

from f4d_mmaction.engine.hooks import CheckLabelsHook
from f4d_mmaction.engine.hooks.labels import LabelError, in_range


@pytest.mark.parametrize("wrapper", [None, "RepeatDataset", "ConcatDataset"])
@pytest.mark.parametrize("name", ["train_dataloader", "val_dataloader"])
def test_label_outside_the_classes_is_named(
    name: str, wrapper: str | None, benchmark: Path, tmp_path: Path
) -> None:
    config = Config.fromfile(write_config(tmp_path, benchmark))
    config.work_dir, config.experiment_name = str(tmp_path), tmp_path.name
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    listed = Path(config[name].dataset.ann_file).read_text().splitlines()
    listed[2] = listed[2].rpartition(" ")[0] + " 8"
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("\n".join(listed))
    right = copy.deepcopy(config[name].dataset)
    config[name].dataset.ann_file = str(wrong)
    if wrapper == "RepeatDataset":
        config[name].dataset = dict(type=wrapper, times=2, dataset=config[name].dataset)
    elif wrapper == "ConcatDataset":
        config[name].dataset = dict(type=wrapper, datasets=[right, config[name].dataset])
    with pytest.raises(ValueError, match=r"1 of \d+ samples of .*wrong\.txt .* with 8"):
        Runner.from_cfg(config).train()


def test_labels_that_the_host_takes_are_in_range() -> None:
    for label in (1, [0, 2], (2,), np.array(1), np.array([0, 2]), torch.tensor([1])):
        assert in_range(label, 3), label
    for label in (3, -1, [0, 3], np.array([3]), 1.0, "1", None):
        assert not in_range(label, 3), label


def test_a_flip_that_would_leave_several_labels_as_they_are_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a 3 0\nb 3 1\n")
    flip = dict(type="Flip", flip_ratio=1.0, flip_label_map={0: 1, 1: 0})
    many = dict(multi_class=True, num_classes=2)
    for steps, options in (([flip], many), ([dict(type="Flip")], many), ([flip], {})):
        dataset = RawframeDataset(str(tmp_path / "list.txt"), steps, **options)
        loop = Namespace(dataloader=Namespace(dataset=dataset))
        network = Namespace(cls_head=Namespace(num_classes=2))
        runner = Namespace(model=network, train_loop=loop, val_loop=None)
        if options and "flip_label_map" in steps[0]:
            with pytest.raises(
                LabelError, match="flip_label_map, which MMAction2 applies to single"
            ):
                CheckLabelsHook().before_train(runner)
        else:
            CheckLabelsHook().before_train(runner)


def test_several_labels_that_are_not_known_are_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "list.txt").write_text("a 3\nb 3\n")
    dataset = RawframeDataset(str(tmp_path / "list.txt"), [], multi_class=True, num_classes=3)
    network = Namespace(cls_head=Namespace(num_classes=3))
    loop = Namespace(dataloader=Namespace(dataset=dataset))
    loops = dict(test_loop=loop, train_loop=loop, val_loop=None)
    runner = Namespace(model=network, logger=logging.getLogger("labels"), **loops)
    with caplog.at_level("WARNING"):
        CheckLabelsHook().before_test(runner)
    assert "list.txt has no labels: metrics of it say nothing" in caplog.text
    with pytest.raises(LabelError, match=r"2 of 2 samples .* first a with \[-1\]"):
        CheckLabelsHook().before_train(runner)


def test_a_test_set_without_labels_is_tested(benchmark: Path, tmp_path: Path) -> None:
    """As the lists of videos are whose answers are to be submitted."""
    config = Config.fromfile(write_config(tmp_path, benchmark))
    config.work_dir, config.experiment_name = str(tmp_path), tmp_path.name
    config.test_dataloader.update(num_workers=0, persistent_workers=False)
    lines = Path(config.test_dataloader.dataset.ann_file).read_text().splitlines()
    (tmp_path / "test.txt").write_text("\n".join(line.split()[0] for line in lines))
    config.test_dataloader.dataset.ann_file = str(tmp_path / "test.txt")
    config.test_evaluator = dict(type="DumpResults", out_file_path=str(tmp_path / "out.pkl"))
    Runner.from_cfg(config).test()
    assert len(mmengine.load(tmp_path / "out.pkl")) == len(lines)
