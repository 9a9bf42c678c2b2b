"""Labels outside the classes stop a run before its first step."""

import copy
from pathlib import Path

import mmengine
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_run import write_config


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
