"""The ladder for one's own data: what each rung adds does what it says, with F4D."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from browse_data import browse_data
from dataset_check import check
from miniature import write_video
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from outcomes import Outcomes
from reduction import RECOGNITION, reduced, sampler

FINETUNE = RECOGNITION / "f4d" / "finetune"
CLASSES = 3


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's own videos, laid out as the base config says."""
    root = tmp_path_factory.mktemp("mine")
    for subset in ("train", "val"):
        lines = []
        for label in range(CLASSES):
            for i in range(2):
                write_video(root / "videos" / f"{subset}{label}{i}.mp4", frames=12, seed=label)
                lines.append(f"{subset}{label}{i}.mp4 {label}\n")
        (root / f"{subset}.txt").write_text("".join(lines))
    return root


def runner(name: str, data_root: Path, work_dir: Path, epochs: int = 1) -> Runner:
    """The rung's own config on few, small frames of the six videos."""
    torch.manual_seed(0)
    config = reduced(FINETUNE / f"{name}.py", width=4)
    config.load_from = None
    for subset in ("train", "val", "test"):
        sampler(config, subset).update(num_units=2, clip_len=2)
        loader = config[f"{subset}_dataloader"]
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(data_root)
    config.train_dataloader.batch_size = 2
    config.train_cfg.max_epochs = epochs
    config.work_dir = str(work_dir)
    return Runner.from_cfg(config)


def first_batch(run: Runner) -> dict:
    init_default_scope("mmaction")
    return next(iter(run.build_dataloader(run._train_dataloader, seed=0)))


@pytest.fixture(scope="module")
def trained(
    data_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Runner, Outcomes]]:
    """Train a rung once; returns its runner and whether its predictions were right."""

    @functools.cache
    def train(name: str) -> tuple[Runner, Outcomes]:
        run, outcomes = runner(name, data_root, tmp_path_factory.mktemp(name)), Outcomes()
        run.register_hook(outcomes)
        run.train()
        return run, outcomes

    return train


@pytest.mark.parametrize(
    "name", ["f4d_r50_finetune", "mixup-cutmix", "randaugment", "repeated-augmentation", "ema"]
)
def test_trains_and_validates(name: str, trained: Callable) -> None:
    run, outcomes = trained(name)
    assert run.iter == 3
    assert len(outcomes.right) == 2 * CLASSES
    accuracy = run.message_hub.get_scalar("val/acc/top1").current()
    assert accuracy == pytest.approx(outcomes.accuracy)


def test_rungs_fit_other_configs_than_the_first(tmp_path: Path) -> None:
    """As docs/your_own_data.md says: copied, with another config in ``_base_``."""
    config = RECOGNITION / "f4d" / "f4d_r18_utd_mhad.py"
    for name in ("randaugment", "mixup-cutmix"):
        text = (FINETUNE / f"{name}.py").read_text()
        (tmp_path / f"{name}.py").write_text(text.replace("f4d_r50_finetune.py", str(config)))
    augmented = Config.fromfile(tmp_path / "randaugment.py")
    steps = [step["type"] for step in augmented.train_dataloader.dataset.pipeline]
    assert steps.index("FormatActionUnits") - steps.index("RandAugmentUnits") == 1
    assert steps.index("RandAugmentUnits") > max(i for i, s in enumerate(steps) if s == "Resize")
    blended = Config.fromfile(tmp_path / "mixup-cutmix.py").model
    kinds = blended.data_preprocessor.blending.augments
    assert {kind.num_classes for kind in kinds} == {blended.cls_head.num_classes} == {27}


def test_learning_rate_follows_the_batch(trained: Callable) -> None:
    run, _ = trained("f4d_r50_finetune")
    assert run.cfg.param_scheduler[0].milestones == [15, 25]
    assert run.optim_wrapper.get_lr()["lr"][0] == pytest.approx(0.01 * 2 / 128)


@pytest.mark.parametrize("name", ["class-weights", "class-balanced-loss"])
def test_a_rare_class_counts_more(name: str) -> None:
    """500, 100 and 20 videos: the same mistake costs most where there are 20."""
    head = MODELS.build(reduced(FINETUNE / f"{name}.py").model.cls_head)
    labels = torch.arange(CLASSES)
    scores = F.one_hot((labels + 1) % CLASSES, CLASSES).float().requires_grad_()
    samples = [ActionDataSample().set_gt_label(label) for label in labels.tolist()]
    head.loss_by_feat(scores, samples)["loss_cls"].backward()
    often, seldom, rare = scores.grad.norm(dim=1)
    assert 2 * often < seldom < 2 * seldom < rare


def test_blended_videos_have_blended_labels(data_root: Path, tmp_path: Path) -> None:
    run = runner("mixup-cutmix", data_root, tmp_path)
    batch = first_batch(run)
    batch["data_samples"] = [ActionDataSample().set_gt_label(label) for label in (0, 2)]
    found = run.model.data_preprocessor(batch, training=True)
    labels = torch.stack([sample.gt_label for sample in found["data_samples"]])
    assert labels.shape == (2, CLASSES)
    torch.testing.assert_close(labels.sum(1), torch.ones(2))
    assert found["inputs"].shape[:3] == (2, 1, 2)  # videos, views, U
    losses = run.model(**found, mode="loss")
    assert losses["loss_cls"].isfinite()


def test_moving_average_is_what_is_validated_and_kept(trained: Callable) -> None:
    run, _ = trained("ema")
    kept = torch.load(Path(run.work_dir) / "epoch_1.pth", weights_only=True)
    key = "backbone.blocks4d.layer2_3.conv.spatial.weight"
    assert not torch.equal(kept["state_dict"][key], kept["ema_state_dict"][f"module.{key}"])


def test_every_video_is_read_once_and_augmented_twice(data_root: Path, tmp_path: Path) -> None:
    batch = first_batch(runner("repeated-augmentation", data_root, tmp_path))
    labels = [int(sample.gt_label) for sample in batch["data_samples"]]
    assert len(labels) == 4
    assert labels[::2] == labels[1::2]
    assert not torch.equal(*batch["inputs"][:2])


def test_repeated_videos_are_checked_and_drawn(data_root: Path, tmp_path: Path) -> None:
    config = runner("repeated-augmentation", data_root, tmp_path).cfg
    (report,) = check(config, ["train"], workers=1)
    assert report.decoded == 6
    (picture,) = browse_data(config, tmp_path, "train", 1)
    assert picture.stat().st_size > 1000


def test_sixteen_batches_make_one_step(data_root: Path, tmp_path: Path) -> None:
    run = runner("accumulate", data_root, tmp_path)
    init_default_scope("mmaction")
    wrapper = run.build_optim_wrapper(run.optim_wrapper)
    weight = run.model.cls_head.fc_cls.weight
    batch = first_batch(run)
    run.model.train()
    for step in range(1, 18):
        before = weight.detach().clone()
        run.model.train_step(batch, wrapper)
        assert torch.equal(weight, before) == (step % 16 != 0)
