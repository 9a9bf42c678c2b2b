"""A training with bad videos replaces and reports each, and learns as well: `-m slow -s`."""

import json
from collections import Counter
from copy import deepcopy
from functools import partial
from math import sqrt
from pathlib import Path

import pytest
from bad_videos import FRAME_NAME, write_dataset
from mmengine.config import Config
from mmengine.runner import Runner
from phase_order import options_of

from f4d_mmaction.analysis.report import markdown_table
from f4d_mmaction.datasets.video_errors import BadVideoError
from f4d_mmaction.engine.launch import build_runner, load_config

CONFIG = "configs/recognition/f4d/f4d_r18_phase_order.py"
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def read_mixed(loader: dict, root: Path, subset: str) -> None:
    """Have a loader read a subset's videos and folders, with 2 seconds for each video."""
    videos = loader["dataset"]
    videos.pop("metainfo")
    opener, *others = videos["pipeline"]
    opener["time_limit"] = 2.0
    folders = dict(
        type="RawframeDataset",
        ann_file=f"{root}/{subset}_folders.txt",
        data_prefix=dict(img=str(root)),
        filename_tmpl=FRAME_NAME,
        pipeline=[
            dict(type="DecodeRawUnits") if step["type"] == "DecodeUnits" else step
            for step in others
        ],
        test_mode=videos.get("test_mode", False),
    )
    videos.update(ann_file=f"{root}/{subset}_videos.txt", data_prefix=dict(video=str(root)))
    loader["dataset"] = dict(type="ConcatDataset", datasets=[videos, folders])


def runner_of(
    config: Config, learned: Path, tested: Path, name: str, subset: str = "test", **hook: object
) -> Runner:
    """Build a run that trains on one dataset and tests on a subset of another."""
    config = deepcopy(config)
    config.work_dir = str(learned.parent / name)
    config.experiment_name = f"{learned.parent.name}_{name}"
    config.default_hooks.bad_video = dict(type="BadVideoHook", **hook)
    for loader in LOADERS:
        training = loader == "train_dataloader"
        read_mixed(config[loader], *((learned, "train") if training else (tested, subset)))
    return build_runner(config)


@pytest.mark.slow
def test_a_tenth_of_bad_videos_is_replaced_at_no_loss(tmp_path: Path, root: Path) -> None:
    options, epochs = options_of("easy", num_train=400), 8
    clean, bad = tmp_path / "clean", tmp_path / "bad"
    assert write_dataset(clean, options) == {"train": {}, "test": {}}
    injected = write_dataset(bad, options, 0.1)
    config = load_config(f"{root}/{CONFIG}", None, {"randomness": {"seed": 0}}, "none")
    config.train_cfg.max_epochs = config.train_cfg.val_interval = epochs
    config.param_scheduler[0].total_steps = epochs

    accuracy = {}
    for name, data in {"trained_clean": clean, "replaced": bad}.items():
        runner = runner_of(config, data, clean, name, max_share=1.0)
        runner.train()  # validates on the test split after the last epoch
        accuracy[name] = runner.message_hub.get_scalar("val/acc/top1").current()
    lines = (tmp_path / "replaced" / "bad_videos.jsonl").read_text().splitlines()
    reported = [(entry["path"], entry["kind"]) for entry in map(json.loads, lines)]

    config.load_from = str(tmp_path / "replaced" / f"epoch_{epochs}.pth")
    trained = partial(runner_of, config, bad, bad)
    with pytest.raises(BadVideoError) as stopped:
        trained("stop", test="stop").test()
    counted = trained("count", test="count").test()
    sound = trained("sound", subset="test_sound").test()["acc/top1"]

    train, test = (Counter(injected[split].values()) for split in ("train", "test"))
    found = Counter(kind for _, kind in reported)
    counts = {kind: counted.get(f"bad_videos/{kind}", 0) for kind in sorted(train | test)}
    rows = [[kind, train[kind], found[kind], test[kind], counts[kind]] for kind in counts]
    rows.append(["all", *(sum(column) for column in list(zip(*rows))[1:])])
    header = ["kind", "injected, training", "reported", "injected, test", "counted"]
    accuracies = [
        ["clean", "clean", f"{accuracy['trained_clean']:.1%}"],
        ["bad videos replaced", "clean", f"{accuracy['replaced']:.1%}"],
        ["bad videos replaced", "bad videos counted as wrong", f"{counted['acc/top1']:.1%}"],
        ["bad videos replaced", "sound videos alone", f"{sound:.1%}"],
    ]
    table = markdown_table(["training", "test", "top-1"], accuracies)
    print("", markdown_table(header, rows), "", table, sep="\n")

    assert sorted(reported) == sorted(injected["train"].items()), "exactly these, once each"
    assert any(path in str(stopped.value) for path in injected["test"])
    assert counts == test
    right = sound * (options.num_test - sum(test.values()))
    assert counted["acc/top1"] * options.num_test == pytest.approx(right)
    assert accuracy["trained_clean"] > 0.5, "so that a loss would show"
    variance = sum(share * (1 - share) for share in accuracy.values())
    noise = 2 * sqrt(variance / options.num_test)  # two standard errors of the difference
    assert accuracy["trained_clean"] - accuracy["replaced"] <= noise
