"""The benchmark compares what it says; no test asserts a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import benchmark
import cv2
import pytest
import torch
from benchmark import (
    Subject,
    build_step,
    check,
    check_markdown,
    compare,
    plot_sweep,
    sweep,
    sweep_markdown,
)
from mmaction.registry import MODELS
from mmengine.config import Config
from training_memory import training_bytes

import f4d_mmaction  # noqa: F401

ROOT = Path(__file__).parents[3]
SMALL = str(ROOT / "configs" / "recognition" / "f4d" / "f4d_r18_phase_order.py")
TINY = dict(config=SMALL, batch=1, num_units=2, clip_len=1, size=16)


def test_ratios_are_of_neighbouring_rounds_per_video(monkeypatch):
    seconds = [[1.0, 10.0, 1.0], [2.0, 20.0, 2.0]]
    monkeypatch.setattr(benchmark, "interleave", lambda *_: seconds)
    records = compare([Subject(**TINY), Subject(**{**TINY, "batch": 4})], memory=False)
    assert [record["speed"] for record in records] == [1.0, 2.0]
    assert records[1]["videos_per_second"] == 2.0


def test_subjects_take_turns_and_give_every_round():
    seconds = benchmark.interleave([Subject(**TINY), Subject(**TINY, training=True)], 3, warmup=1)
    assert [len(times) for times in seconds] == [3, 3]
    assert all(time > 0 for times in seconds for time in times)


def test_peak_memory_grows_with_the_input():
    small = benchmark.peak_memory(Subject(**{**TINY, "size": 32}, training=True))
    large = benchmark.peak_memory(Subject(**{**TINY, "size": 224, "batch": 8}, training=True))
    assert large > 2 * small > 0


def test_targets_are_met_or_missed(tmp_path):
    target = dict(measure="macs", of={**TINY, "clip_len": 4}, to=TINY)
    path = tmp_path / "targets.json"
    targets = [
        dict(target, name="met", at_most=4.1),
        dict(target, name="missed", at_least=5),
        dict(target, name="what", measure="joy", at_least=1),
    ]
    path.write_text(json.dumps(dict(targets=targets[:2])))
    results = check(path)
    assert [result["met"] for result in results] == [True, False]
    assert "**no**" in check_markdown(results)
    assert [result["name"] for result in check(path, only="miss")] == ["missed"]
    with pytest.raises(ValueError, match="no target whose name has 'nothing'"):
        check(path, only="nothing")
    path.write_text(json.dumps(dict(targets=targets[2:])))
    with pytest.raises(ValueError, match="joy"):
        check(path)


@pytest.mark.parametrize(("bound", "code"), [(4.1, 0), (3.9, 1)])
def test_the_tool_fails_where_a_stated_ratio_is_missed(tmp_path, subprocess_env, bound, code):
    target = dict(name="macs", measure="macs", of={**TINY, "clip_len": 4}, to=TINY, at_most=bound)
    path = tmp_path / "targets.json"
    path.write_text(json.dumps(dict(targets=[target])))
    command = [sys.executable, str(ROOT / "tools/analysis/benchmark.py"), "--check", str(path)]
    done = subprocess.run(command, env=subprocess_env, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    assert "| macs | at most" in done.stdout


def test_stated_targets_name_configs_and_options_that_exist():
    for target in json.loads((ROOT / "docs" / "performance_targets.json").read_text())["targets"]:
        assert ("at_least" in target) != ("at_most" in target)
        for role in {"of", "to"} & set(target):
            subject = Subject(**target[role])
            config = Config.fromfile(ROOT / subject.config)
            config.merge_from_dict(subject.options)
            assert config.model.backbone.type == "ResNet4d"


def test_cost_against_units_and_frames_is_shown(tmp_path):
    subjects = [Subject(**TINY), Subject(**TINY, dtype="bfloat16")]
    seconds = sweep(subjects, units=[1, 2], lengths=[1, 2, 4], rounds=1)
    assert [len(line) for line in seconds["num_units"]] == [2, 2]
    assert [len(line) for line in seconds["clip_len"]] == [3, 3]
    text = sweep_markdown(subjects, [1, 2], [1, 2, 4], seconds)
    first = seconds["clip_len"][1]
    assert f"| {first[0]:.3f} | {first[1]:.3f} | {first[2]:.3f} |" in text
    plot_sweep(tmp_path / "cost.png", subjects, [1, 2], [1, 2, 4], seconds)
    assert cv2.imread(str(tmp_path / "cost.png")).std() > 0


@pytest.mark.parametrize("wrong", [dict(memory="hoarded"), dict(mode="quick")])
def test_modes_and_memory_are_checked(wrong):
    with pytest.raises(ValueError, match=r"mode must be of .* and memory of"):
        Subject(**TINY, **wrong)


def test_fast_mode_does_not_train():
    with pytest.raises(ValueError, match="does not train"):
        build_step(Subject(**TINY, mode="fast", training=True))


def test_recomputation_keeps_less_and_recomputed_blocks_nothing():
    kept = []
    no_blocks = {"placement": [0, 0, 0, 0]}
    for options in ({}, {"block4d.with_cp": True}, no_blocks, {"with_cp": True}):
        config = Config.fromfile(SMALL)
        config.merge_from_dict({f"model.backbone.{key}": v for key, v in options.items()})
        fixed, per_video = training_bytes(config, 2, 4, 64)
        kept.append(per_video)
        assert fixed > 0
    plain, blocks, trunk, everything = kept
    assert plain > 1.05 * blocks
    assert blocks == pytest.approx(trunk, rel=0.02)  # but for what the head keeps
    assert trunk > everything > 0


def test_bytes_kept_are_those_that_autograd_asks_for():
    """The counter sees what is alive; autograd's hooks see what is saved."""
    config = Config.fromfile(SMALL)
    with torch.device("meta"):
        model = MODELS.build(config.model).to("meta").train()
        x, saved = torch.empty(1, 1, 2, 3, 4, 64, 64), {}
    given = {p.untyped_storage()._cdata for p in [*model.parameters(), *model.buffers(), x]}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scores = model(x, mode="tensor", stage="head")
    assert scores.requires_grad
    nbytes = sum(storage.nbytes() for key, storage in saved.items() if key not in given)
    assert training_bytes(config, 2, 4, 64)[1] == pytest.approx(nbytes, rel=0.02)


def test_profile_names_convolutions_and_shares_add_up():
    rows = benchmark.profile(Subject(**TINY), top=1000)
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    convolutions = [row for row in rows if row["operator"] == "aten::convolution"]
    assert convolutions[0]["calls"] > 20
