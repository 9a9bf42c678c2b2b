"""Runs over datasets with bad videos: replaced in training, a stop or a wrong answer at test."""

import json
import logging
import multiprocessing
from argparse import Namespace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from encoding import write_texture
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.model import BaseModel
from mmengine.runner import Runner

from f4d_mmaction.datasets.video_errors import BadVideoError
from f4d_mmaction.engine.hooks import BadVideoHook, TooManyBadVideosError

CLASSES = 3
BAD = {"missing.mp4": "missing", "empty.mp4": "empty", "cut.avi": "truncated"}


@MODELS.register_module(force=True)
class KnowsTheLabels(BaseModel):
    """Right about every video, so that the accuracy says how many were counted as wrong."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, inputs, data_samples, mode):
        if mode == "loss":
            return {"loss": (self.weight * torch.stack(inputs).float().mean()) ** 2}
        for sample in data_samples:
            sample.set_pred_score(torch.eye(CLASSES)[sample.gt_label[0]])
        return data_samples


def test_answers_without_a_label_cannot_count_as_wrong() -> None:
    """As in the host's data sets of actions by person, which have other keys."""

    class People(BaseDataset):
        def load_data_list(self):
            return [dict(gt_labels=[1])]

    loop = Namespace(dataloader=Namespace(dataset=People()))
    with pytest.raises(ValueError, match="test='count' needs a data set with a label"):
        BadVideoHook(test="count").before_test(Namespace(test_loop=loop))


def write_dataset(folder, good, bad):
    """List ``good`` videos with the bad ones spread among them."""
    write_texture(folder / "whole.mp4", 12, (64, 48))
    write_texture(folder / "whole.avi", 12, (64, 48), "mpeg4")
    data = (folder / "whole.avi").read_bytes()
    (folder / "cut.avi").write_bytes(data[: len(data) // 2])
    (folder / "empty.mp4").touch()
    names = [("whole.mp4", "whole.avi")[number % 2] for number in range(good)]
    for number, name in enumerate(bad):
        names.insert(2 * number, name)
    lines = [f"{name} {number % CLASSES}\n" for number, name in enumerate(names)]
    (folder / "list.txt").write_text("".join(lines))


def loader(folder, batch_size, workers, test):
    pipeline = [
        dict(type="InitVideo"),
        dict(type="SampleFrames", clip_len=2, num_clips=2, test_mode=True),
        dict(type="DecodeUnits", share=False),
        dict(type="Resize", scale=(16, 16), keep_ratio=False),
        dict(type="FormatShape", input_format="NCTHW"),
        dict(type="PackActionInputs"),
    ]
    prefix, path = dict(video=str(folder)), str(folder / "list.txt")
    dataset = dict(type="VideoDataset", ann_file=path, data_prefix=prefix, pipeline=pipeline)
    return dict(
        batch_size=batch_size,
        num_workers=workers,
        sampler=dict(type="DefaultSampler", shuffle=not test),
        dataset=dict(dataset, test_mode=test),
    )


def config(folder, hook, batch_size=2, workers=0, **settings):
    train, test = (loader(folder, batch_size, workers, test) for test in (False, True))
    metric = dict(type="AccMetric", metric_options=dict(top_k_accuracy=dict(topk=(1,))))
    common = dict(
        model=dict(type="KnowsTheLabels"),
        work_dir=str(folder / "run"),
        train_dataloader=train,
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
        custom_hooks=[dict(type="BadVideoHook", **hook)] if hook is not None else [],
        default_hooks=dict(checkpoint=None),
        default_scope="mmaction",
        experiment_name=folder.name,
        randomness=dict(seed=0),
    )
    for stage in ("val", "test"):
        evaluation = dict(dataloader=test, cfg={}, evaluator=metric)
        common.update({f"{stage}_{key}": value for key, value in evaluation.items()})
    return Config({**common, **settings})


@pytest.mark.parametrize("bad", [{}, BAD], ids=["sound", "bad"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_bad_videos_count_as_wrong_answers(tmp_path, batch_size, bad):
    write_dataset(tmp_path, 4, bad)
    runner = Runner.from_cfg(config(tmp_path, {"max_share": 0.9, "test": "count"}, batch_size))
    result = runner.test()
    assert result["acc/top1"] == pytest.approx(4 / (4 + len(bad)))
    assert result["bad_videos/all"] == len(bad)
    assert all(result[f"bad_videos/{kind}"] == 1 for kind in bad.values())
    assert (tmp_path / "run" / "bad_videos.jsonl").exists() == bool(bad)
    runner.train()  # and validates
    values = (runner.message_hub.get_scalar(f"val/{key}").current() for key in result)
    assert list(values) == pytest.approx(list(result.values()))
    if bad:
        assert listed(tmp_path)[0] == bad


def listed(folder):
    lines = (folder / "run" / "bad_videos.jsonl").read_text().splitlines()
    return {Path(item["path"]).name: item["kind"] for item in map(json.loads, lines)}, len(lines)


@pytest.mark.parametrize("iterations", [False, True], ids=["epochs", "iterations"])
@pytest.mark.parametrize("workers", [0, 2])
def test_training_replaces_and_lists_exactly_the_bad_videos(tmp_path, workers, iterations):
    write_dataset(tmp_path, 12, BAD)
    loop = {"by_epoch": True, "max_epochs": 2}
    if iterations:
        loop = {"by_epoch": False, "max_iters": 16, "val_interval": 100}
    cfg = config(tmp_path, {"max_share": 0.5}, workers=workers, train_cfg=loop)
    for key in ("val_dataloader", "val_cfg", "val_evaluator"):
        cfg.pop(key)
    if iterations:
        cfg.train_dataloader.sampler.type = "InfiniteSampler"
        cfg.train_dataloader.persistent_workers = workers > 0
    Runner.from_cfg(cfg).train()
    found, lines = listed(tmp_path)
    assert found == BAD
    assert lines == len(BAD)  # once each


@pytest.mark.parametrize(
    ("good", "hook", "message"),
    [
        (8, dict(max_share=0.1, check_after=6), r"max_share=10\.0%.*bad_videos\.jsonl"),
        (0, dict(max_share=1.0, check_after=7), "7 bad videos in a row"),
    ],
    ids=["share", "no good video"],
)
def test_too_many_bad_videos_stop_the_training(tmp_path, good, hook, message):
    write_dataset(tmp_path, good, BAD)
    with pytest.raises(TooManyBadVideosError, match=message):
        Runner.from_cfg(config(tmp_path, hook)).train()


def test_chance_in_one_of_many_processes_does_not_stop_the_training(tmp_path):
    draw = torch.Generator().manual_seed(0)
    logger = logging.getLogger("quiet")
    logger.setLevel(logging.CRITICAL)
    runner = Namespace(rank=0, work_dir=tmp_path, _resume=False, logger=logger)

    def train(share, iterations, max_share=0.1):
        hook = BadVideoHook(max_share=max_share, check_after=1 if max_share == 0 else 100)
        hook.before_run(runner)
        for _ in range(iterations):
            bad = (torch.rand(8, generator=draw) < share).tolist()
            report = {"path": "a.mp4", "kind": "empty", "message": "a.mp4: empty video"}
            samples = [{"bad_videos": [report]} if each else {} for each in bad]
            hook.after_train_iter(runner, 0, {"data_samples": samples})
        hook.after_train_epoch(runner)

    for _ in range(64):
        train(0.06, 400)
    with pytest.raises(TooManyBadVideosError, match="8 of 16"):  # nothing is allowed: none is
        train(1.0, 1, max_share=0)
    with pytest.raises(TooManyBadVideosError, match=r"more than max_share=10\.0%"):
        train(0.3, 100)


def epoch_of_one_process(rank, counts, folder):
    dist.init_process_group("gloo", f"file://{folder}/store{counts}", rank=rank, world_size=2)
    hook = BadVideoHook(max_share=0.1)
    hook.before_run(Namespace(rank=rank, work_dir=folder, _resume=False))
    hook._bad, hook._samples = counts[rank], 20
    try:
        hook.after_train_epoch(Namespace(logger=logging.getLogger("quiet")))
    except TooManyBadVideosError as error:
        where = f"their paths are in {folder}/bad_videos_rank1.jsonl. Mend"
        told = "5 of 40 samples (12.5%)" in str(error) and where in str(error)
        raise SystemExit(7 if told else 1) from error


@pytest.mark.parametrize(("counts", "code"), [((0, 3), 0), ((0, 5), 7)])
def test_an_epoch_is_judged_over_all_processes(tmp_path, counts, code):
    fork = multiprocessing.get_context("fork")
    (tmp_path / "bad_videos_rank1.jsonl").touch()
    started = [
        fork.Process(target=epoch_of_one_process, args=(rank, counts, tmp_path), daemon=True)
        for rank in (0, 1)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [code, code]


def test_the_best_by_the_number_of_bad_videos_is_refused(tmp_path):
    write_dataset(tmp_path, 4, {})
    cfg = config(tmp_path, {"test": "count"})
    cfg.default_hooks.checkpoint = dict(type="CheckpointHook", save_best="auto")
    with pytest.raises(ValueError, match=r"save_best='auto' goes by the first figure"):
        Runner.from_cfg(cfg).train()
    cfg.default_hooks.checkpoint.save_best = "acc/top1"
    cfg.experiment_name = "named"
    Runner.from_cfg(cfg).train()


@pytest.mark.parametrize("hook", [None, {}], ids=["no hook", "default"])
def test_testing_stops_and_names_the_file(tmp_path, hook):
    write_dataset(tmp_path, 4, {"cut.avi": "truncated"})
    with pytest.raises(BadVideoError, match=r"cut\.avi: truncated video"):
        Runner.from_cfg(config(tmp_path, hook)).test()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_share": 2}, "max_share must be between 0 and 1, got 2"),
        ({"test": "ignore"}, "test must be 'stop' or 'count', got 'ignore'"),
        ({"check_after": 0}, "check_after must be at least 1, got 0"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        BadVideoHook(**arguments)
