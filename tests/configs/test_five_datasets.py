"""The main config of each dataset on a miniature of it: train a step, validate, test."""

from pathlib import Path

import pytest
import torch
from miniature import MAKERS
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, save_checkpoint
from outcomes import Outcomes
from preparation import prepare
from reduction import RECOGNITION, reduced

VIDEOS = 2  # in training and validation
WIDTH = 4  # of conv1, for 64


def prepared(dataset: str, root: Path) -> None:
    """Lay the dataset out as the configs expect it below their ``data_root``."""
    mini = MAKERS[dataset](root)
    prepare(dataset, mini.annotations, mini.media, root)


def at_home(config: Config, data_root: Path, work_dir: Path) -> Config:
    """One step on two videos of a miniature, in this process and at half the size."""
    for subset in ("train", "val", "test"):
        loader = config[f"{subset}_dataloader"]
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(data_root=str(data_root), indices=VIDEOS)
        halve(loader.dataset.pipeline)
    config.train_dataloader.batch_size = VIDEOS
    config.test_dataloader.dataset.indices = 1  # 240 frames
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.work_dir = str(work_dir)
    return config


def halve(pipeline: list[dict]) -> None:
    """Resize and crop to half as many pixels along each side; -1 stays."""
    for step in pipeline:
        for key in {"scale", "crop_size", "input_size"} & set(step):
            size = step[key]
            step[key] = size // 2 if isinstance(size, int) else tuple(n // 2 for n in size)


@pytest.fixture(scope="module")
def slowonly_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What MMAction2's model zoo has: a SlowOnly recognizer of 400 classes."""
    init_default_scope("mmaction")
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type="Recognizer3D",
            backbone=dict(type="ResNet3dSlowOnly", depth=50, base_channels=WIDTH, pretrained=None),
            cls_head=dict(type="I3DHead", num_classes=400, in_channels=32 * WIDTH),
        )
    )
    path = tmp_path_factory.mktemp("zoo") / "slowonly.pth"
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), str(path))
    return path


SLOW = "sthv2", "hmdb51"  # prepared, they are read as kinetics400 and ucf101 are


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    "dataset", [pytest.param(d, marks=[pytest.mark.slow] * (d in SLOW)) for d in MAKERS]
)
def test_trains_validates_and_tests(
    dataset: str, tmp_path: Path, slowonly_checkpoint: Path
) -> None:
    prepared(dataset, tmp_path / "data")
    config = reduced(RECOGNITION / "f4d" / f"f4d_r50_{dataset}.py", WIDTH)
    config = at_home(config, tmp_path / "data", tmp_path / "work_dir")
    if config.get("load_from"):  # a URL of the model zoo
        config.load_from = str(slowonly_checkpoint)
    runner, outcomes = Runner.from_cfg(config), Outcomes()
    runner.register_hook(outcomes)
    runner.train()
    assert runner.iter == 1
    assert len(outcomes.right) == VIDEOS
    accuracy = runner.message_hub.get_scalar("val/acc/top1").current()
    assert accuracy == pytest.approx(outcomes.accuracy)
    if config.get("load_from"):
        zoo = torch.load(slowonly_checkpoint, weights_only=True)["state_dict"]
        key = "backbone.layer3.0.conv1.conv.weight"
        pair = (zoo[key].flatten(), runner.model.state_dict()[key].flatten())
        assert torch.cosine_similarity(*pair, dim=0) > 0.99  # one step away
    assert runner.test()["acc/top1"] == outcomes.accuracy
    assert len(outcomes.right) == 1
    protocol = runner.test_dataloader.dataset[0]["inputs"]
    assert protocol.shape == (3, 10, 3, 8, 112, 112)  # views, U, C, T, H, W


@pytest.mark.parametrize("dataset", ["sthv1", "sthv2"])
def test_flipping_swaps_left_and_right(dataset: str) -> None:
    """Labels that a mirror swaps, from the datasets' own label lists."""
    pairs = {
        "sthv1": {2: 4, 30: 41, 52: 66},
        "sthv2": {86: 87, 93: 94, 166: 167},
    }[dataset]
    config = Config.fromfile(RECOGNITION / "f4d" / f"f4d_r50_{dataset}.py")
    flips = [step for step in config.train_dataloader.dataset.pipeline if step.type == "Flip"]
    both_ways = pairs | {right: left for left, right in pairs.items()}
    assert [step.flip_label_map for step in flips] == [both_ways]
