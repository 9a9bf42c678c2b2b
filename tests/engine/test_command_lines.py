"""What `tools/train.py` and `tools/test.py` say to wrong input, and how they exit."""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import add_common_arguments
from mmengine.config import Config
from tiny_run import train, weights, write_config


@pytest.fixture(scope="module")
def config(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    return write_config(folder, benchmark, "_base_.train_cfg.max_epochs = 1\n")


@pytest.fixture(scope="module")
def checkpoint(config: Path) -> Path:
    train(config, config.parent / "run")
    return config.parent / "run" / "epoch_1.pth"


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("train.py", ["nowhere.py"], "config nowhere.py does not exist"),
        ("train.py", ["{config}", "--cfg-options", "model.backbone.depth.x=1"], "does not fit"),
        ("train.py", ["{config}", "--resume", "nowhere.pth"], "--resume nowhere.pth"),
        ("train.py", ["{config}", "--seed", "seven"], "invalid int value: 'seven'"),
        ("test.py", ["{config}", "nowhere.pth"], "checkpoint nowhere.pth does not exist"),
        ("test.py", ["{config}", "{config}", "--dump", "x.txt"], "must end in .pkl"),
    ],
)
def test_wrong_usage_exits_with_2(
    config: Path, run_tool: Callable, tool: str, arguments: list[str], message: str
) -> None:
    arguments = [part.format(config=config) for part in arguments]
    assert message in run_tool(tool, *arguments, code=2)


def test_checkpoint_of_another_model_is_refused(
    config: Path, checkpoint: Path, benchmark: Path, tmp_path: Path, run_tool: Callable
) -> None:
    """In tests and resumed runs; training may start from a part of one, but not from none."""
    wider = write_config(
        tmp_path,
        benchmark,
        "_base_.model.backbone.base_channels = 16\n_base_.model.cls_head.in_channels = 128\n",
    )
    where = ("--work-dir", tmp_path)
    output = run_tool("test.py", wider, checkpoint, *where, code=1)
    assert f"{checkpoint} is a checkpoint of another model" in output
    assert "torch.Size([8, 3, 1, 7, 7]) from checkpoint" in output
    assert "in current model is torch.Size([16, 3, 1, 7, 7])" in output
    output = run_tool("train.py", wider, "--resume", checkpoint, *where, code=1)
    assert "is a checkpoint of another model" in output
    bare = ("--cfg-options", "model.backbone.placement=(0,0,0,0)")
    output = run_tool("test.py", config, checkpoint, "--work-dir", "bare", *bare, code=1)
    assert "is a checkpoint of another model" in output
    assert 'Unexpected key(s) in state_dict: "backbone.blocks4d.layer1_1.' in output
    stranger = tmp_path / "stranger.pth"
    torch.save({"state_dict": {"layer.weight": torch.zeros(1)}}, stranger)
    for foreign in (stranger, checkpoint):  # nothing fits; of the narrow one counters alone do
        options = ("--cfg-options", f"load_from={foreign}")
        output = run_tool("train.py", wider, *where, *options, code=1)
        assert "is a checkpoint of another model" in output


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("model.backbone.placement=[0,1]", "placement must have one entry for each of the trunk's"),
        ("model.cls_head.num_classes=3", "have a label outside 0 to 2"),
        (
            "train_dataloader.batch_size=99 train_dataloader.drop_last=True",
            "training videos make no whole batch on 1 processes",
        ),
        ("train_dataloader.dataset.ann_file=nowhere.txt", "nowhere.txt"),
    ],
)
def test_wrong_configs_are_told_in_one_sentence(
    config: Path, run_tool: Callable, option: str, message: str
) -> None:
    output = run_tool(
        "train.py", config, "--work-dir", ".", "--cfg-options", *option.split(), code=1
    )
    assert message in output.splitlines()[-1]


@pytest.mark.parametrize("alone", [False, True])
def test_the_rate_follows_the_batch(
    config: Path, checkpoint: Path, tmp_path: Path, alone: bool
) -> None:
    """A batch of 4 where the config counts on 16; OneCycleLR has a peak of its own."""
    scaled, text = tmp_path / "scaled.py", f"_base_ = {str(config)!r}\n"
    if alone:  # a scheduler that is in no list, in a config that scales by itself
        scheduler = Config.fromfile(config).param_scheduler[0].to_dict()
        text += f"param_scheduler = dict(_delete_=True, **{scheduler})\n"
        text += "auto_scale_lr = dict(enable=True)\n"
    scaled.write_text(text)
    train(scaled, tmp_path / "run", *["--auto-scale-lr"][alone:])
    rates = [
        [json.loads(line)["lr"] for line in file.read_text().splitlines() if '"lr"' in line]
        for folder in (checkpoint.parent, tmp_path / "run")
        for file in folder.glob("*/vis_data/scalars.json")
    ]
    assert rates[1] == pytest.approx([rate / 4 for rate in rates[0]])


def test_part_of_a_checkpoint_starts_a_training(
    config: Path, checkpoint: Path, tmp_path: Path
) -> None:
    """As a head for other classes needs it."""
    trunk = {name: value for name, value in weights(checkpoint).items() if "cls_head" not in name}
    torch.save({"state_dict": trunk}, tmp_path / "trunk.pth")
    train(config, tmp_path, "--cfg-options", f"load_from={tmp_path / 'trunk.pth'}")


def test_a_resumed_run_needs_no_weights_to_start_from(
    config: Path, checkpoint: Path, run_tool: Callable
) -> None:
    options = ("--only-check", "--cfg-options", "load_from=gone.pth", "--work-dir", ".")
    run_tool("train.py", config, "--resume", checkpoint, *options)
    said = run_tool("train.py", config, "--resume", *options, code=1)
    assert "load_from gone.pth is missing" in said


def test_damaged_checkpoint_is_told_at_test(
    config: Path, checkpoint: Path, tmp_path: Path, run_tool: Callable
) -> None:
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(checkpoint.read_bytes()[:50_000])
    output = run_tool("test.py", config, damaged, "--work-dir", tmp_path, code=1)
    assert f"checkpoint {damaged} cannot be used" in output


def test_the_place_that_mpi_gives_a_process_is_the_one_that_the_host_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environ = {"OMPI_COMM_WORLD_LOCAL_RANK": "3"}
    monkeypatch.setattr(os, "environ", environ)
    add_common_arguments(argparse.ArgumentParser())
    assert environ["LOCAL_RANK"] == "3"
    environ.update(LOCAL_RANK="1")
    add_common_arguments(argparse.ArgumentParser())
    assert environ["LOCAL_RANK"] == "1"
