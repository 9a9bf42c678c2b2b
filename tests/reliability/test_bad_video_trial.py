"""The trial of bad videos in small: it says what happened, and notices what should not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bad_dataset import (
    FOLDER_FAULTS,
    STORAGES,
    VIDEO_FAULTS,
    write_mixed,
)
from bad_video_trial import Trial, make_datasets, try_bad_videos
from phase_order import options_of

from f4d_mmaction.engine.launch import load_config

CONFIG = "configs/recognition/f4d/f4d_r18_phase_order.py"
# Half of 20 videos in each storage, so that every fault comes in every container.
SMALL = options_of("easy", num_classes=2, num_train=80, num_test=32, num_frames=32, size=32)
LEARNS = ("the clean training learns", "trains to the same accuracy")  # not in one short epoch


@pytest.fixture(scope="module")
def trial(tmp_path_factory, root) -> Trial:
    folder = tmp_path_factory.mktemp("bad_videos")
    injected = make_datasets(folder, SMALL, share=0.5)
    config = load_config(f"{root}/{CONFIG}", None, {}, "none")
    config.model.backbone.base_channels = 8
    config.model.cls_head.update(in_channels=64, num_classes=2)
    config.val_evaluator = config.test_evaluator = dict(
        type="AccMetric", metric_options=dict(top_k_accuracy=dict(topk=(1,)))
    )
    return try_bad_videos(config, folder, injected, epochs=1)


@pytest.mark.slow
def test_a_tenth_of_bad_videos_costs_no_accuracy(tmp_path, root) -> None:
    injected = make_datasets(tmp_path, options_of("easy", num_train=400))
    config = load_config(f"{root}/{CONFIG}", None, {"randomness": {"seed": 0}}, "none")
    trial = try_bad_videos(config, tmp_path, injected)
    print(f"\n{trial.to_markdown()}")
    assert all(trial.checks.values()), trial.to_markdown()


def test_every_fault_is_reported_stopped_at_and_counted(trial: Trial) -> None:
    assert len(trial.injected["train"]) == 40
    kinds = [kind for faults in (VIDEO_FAULTS, FOLDER_FAULTS) for _, kind in faults.values()]
    assert set(trial.injected["train"].values()) == {kind.value for kind in kinds}
    failed = [check for check, holds in trial.checks.items() if not holds]
    assert [check for check in failed if not check.startswith(LEARNS)] == []
    assert "| all | 40 | 40 | 16 | 16 |" in trial.to_markdown()


def test_what_should_not_happen_is_noticed(trial: Trial) -> None:
    first, *others = trial.reported
    for wrong in (
        dict(clean=0.9, replaced=0.3),
        dict(clean=0.4),
        dict(reported=others),
        dict(reported=[first, first, *others]),
        dict(reported=[(first[0], "another kind"), *others]),
        dict(stopped_at=""),
        dict(counts={}),
        dict(counted=1.0),
    ):
        sound = replace(trial, clean=0.9, replaced=0.9)
        assert all(sound.checks.values())
        assert not all(replace(sound, **wrong).checks.values()), wrong


def test_every_class_is_stored_in_every_way(tmp_path) -> None:
    write_mixed(tmp_path / "data", SMALL)
    for split, count in (("train", 80), ("test", 32)):
        lines = [
            line.split()
            for kind in ("videos", "folders")
            for line in (tmp_path / "data" / f"{split}_{kind}.txt").read_text().splitlines()
        ]
        assert len(lines) == count
        stored = {(name.partition(".")[2], label) for name, *_, label in lines}
        assert len(stored) == len(STORAGES) * SMALL.num_classes
    with pytest.raises(ValueError, match="num_train=31: 8 classes stored in 4 ways"):
        write_mixed(tmp_path / "few", options_of("easy", num_train=31))


def test_a_share_is_checked(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"share=10: expected a share .* between 0 and 1"):
        make_datasets(tmp_path, SMALL, share=10)
