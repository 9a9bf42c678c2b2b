"""The benchmark compares what it says; no test asserts a time."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import benchmark
import cv2
import pytest
import torch
from benchmark import Case
from mmaction.models import BaseRecognizer
from mmaction.registry import MODELS
from mmengine.config import Config
from torch.autograd import DeviceType

ROOT = Path(__file__).parents[3]
SMALL = str(ROOT / "configs" / "recognition" / "f4d" / "f4d_r18_phase_order.py")
TINY = dict(config=SMALL, batch=1, num_units=2, clip_len=1, size=16)


def test_each_case_runs_with_the_memory_it_names() -> None:
    before = dict(os.environ)
    for memory, variables in benchmark.MEMORY.items():
        with benchmark.fresh_process(**variables) as process:
            for name, value in variables.items():
                assert process.submit(os.getenv, name).result() == value
        assert f"memory: {memory}" in Case(**TINY, memory=memory).setting
    assert dict(os.environ) == before


def test_ratios_are_per_video_and_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "time_cases", lambda *_: [[1.0, 10.0, 3.0], [2.0, 2.0, 1.0]])
    monkeypatch.setattr(benchmark, "peak_memory", lambda case: case.batch * 2**20)
    text = benchmark.compare([Case(**TINY), Case(**{**TINY, "batch": 4})], rounds=3)
    first, second = ([cell.strip() for cell in line.split("|")] for line in text.splitlines()[-2:])
    assert first[4:-1] == ["0.33", "1.00", "1", "1.00"]
    assert second[4:-1] == ["2.00", "12.00", "4", "4.00"]


@pytest.mark.slow
def test_cases_run_and_give_every_round() -> None:
    cases = [Case(**TINY, dtype="bfloat16"), Case(**TINY, training=True)]
    assert [len(times) for times in benchmark.time_cases(cases, 2)] == [2, 2]


@pytest.mark.parametrize("training", [False, True])
def test_only_a_training_step_changes_weights(
    monkeypatch: pytest.MonkeyPatch, training: bool
) -> None:
    build, built = MODELS.build, []
    monkeypatch.setattr(MODELS, "build", lambda *a, **k: built.append(build(*a, **k)) or built[-1])
    step = Case(**TINY, training=training).build_step()
    (model,) = (each for each in built if isinstance(each, BaseRecognizer))
    before = model.cls_head.fc_cls.weight.clone()
    step()
    assert torch.equal(model.cls_head.fc_cls.weight, before) != training


@pytest.mark.slow
def test_peak_memory_grows_with_the_input() -> None:
    small = benchmark.peak_memory(Case(**{**TINY, "size": 32}, training=True))
    large = benchmark.peak_memory(Case(**{**TINY, "size": 128, "batch": 8}, training=True))
    assert large > 1.5 * small > 0


def run_tool(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *map(str, arguments)])
    return benchmark.main()


def test_targets_are_met_or_missed_and_a_miss_fails_the_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three targets, of a speed of 4 per video, a time of 2 and a memory of 2."""
    seconds = {1: [2.0, 8.0, 2.0], 2: [1.0, 4.0, 1.0]}
    times = lambda cases, _: [seconds[case.batch] for case in cases]  # noqa: E731
    monkeypatch.setattr(benchmark, "time_cases", times)
    monkeypatch.setattr(benchmark, "peak_memory", lambda case: 3 * case.batch)
    one, two = TINY, {**TINY, "batch": 2}
    stated = [
        dict(name="faster", measure="speed", of=two, to=one, at_least=4),
        dict(name="slower", measure="time", of=one, to=two, at_most=1.9),
        dict(name="larger", measure="memory", of=two, to=one, at_most=2),
    ]
    path, page = tmp_path / "targets.json", tmp_path / "page.md"
    path.write_text(json.dumps(dict(targets=stated)))
    page.write_text("<!-- check -->\n<!-- /check -->\n")
    results = benchmark.check(path)
    assert [result["ratio"] for result in results] == [4, 2, 2]
    assert [result["met"] for result in results] == [True, False, True]
    assert run_tool(monkeypatch, "--check", path, "--markdown", page, "check") == 1
    assert "| larger | at most 2 | 2.00 | yes |" in page.read_text()
    assert "| slower | at most 1.9 | 2.00 | **no** |" in page.read_text()
    assert run_tool(monkeypatch, "--check", path, "--only", "faster") == 0
    with pytest.raises(ValueError, match="no target whose name has 'nothing'"):
        benchmark.check(path, only="nothing")
    path.write_text(path.read_text().replace('"time"', '"joy"'))
    with pytest.raises(ValueError, match="must be speed, time, memory or loading, got 'joy'"):
        benchmark.check(path)


def test_loading_can_be_a_target(tmp_path: Path) -> None:
    target = dict(name="loading", measure="loading", config=SMALL, frames=32, at_least=1e9)
    path = tmp_path / "targets.json"
    path.write_text(json.dumps(dict(targets=[target])))
    (result,) = benchmark.check(path)
    assert 0 < result["ratio"] < 1e9
    assert not result["met"]


def test_stated_targets_name_configs_and_options_that_exist() -> None:
    for target in json.loads((ROOT / "docs" / "performance_targets.json").read_text())["targets"]:
        assert ("at_least" in target) != ("at_most" in target)
        for role in {"of", "to"} & set(target):
            case = Case(**target[role])
            config = Config.fromfile(ROOT / case.config)
            config.merge_from_dict(case.options)
            assert config.model.backbone.type == "ResNet4d"


def test_plain_blocks_are_measured_beside_fused_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    monkeypatch.setattr(benchmark, "compare", lambda cases, _: measured.extend(cases) or "")
    assert run_tool(monkeypatch, SMALL, "--plain-blocks", "--mode", "eager", "fast") == 0
    assert [(case.mode, case.options) for case in measured] == [
        ("eager", {}),
        ("eager", benchmark.PLAIN_BLOCKS),
        ("fast", {}),
        ("fast", benchmark.PLAIN_BLOCKS),
    ]


def test_time_against_units_and_frames_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        benchmark, "time_cases", lambda cases, _: [[c.num_units * c.clip_len**2] for c in cases]
    )
    text = benchmark.scaling([Case(**TINY)], [1, 2, 4], 1, tmp_path / "cost.png")
    assert "| seconds | U = 1 | U = 2 | U = 4 | last to first |" in text
    assert "float32 | 1.000 | 2.000 | 4.000 | 4.0 |" in text
    assert "| seconds | T = 1 | T = 2 | T = 4 | last to first |" in text
    assert "float32 | 2.000 | 8.000 | 32.000 | 16.0 |" in text
    assert cv2.imread(str(tmp_path / "cost.png")).std() > 0


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (dict(memory="hoarded"), "mode must be of .* and memory of"),
        (dict(mode="quick"), "mode must be of .* and memory of"),
        (dict(mode="fast", training=True), "does not train"),
    ],
)
def test_cases_are_checked(wrong: dict, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Case(**TINY, **wrong)


def test_kernels_count_once_and_not_with_the_operators_that_start_them() -> None:
    on, off = DeviceType.CUDA, DeviceType.CPU
    events = [
        SimpleNamespace(key=key, count=2, device_type=device, self_device_time_total=time)
        for key, device, time in (("aten::mm", off, 30), ("gemm", on, 30), ("relu", on, 10))
    ]
    assert benchmark.shares_of(events, True) == [(0.75, "gemm", 2), (0.25, "relu", 2)]


def test_profile_shares_add_up() -> None:
    shares = [share for share, *_ in benchmark.profile(Case(**TINY))]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
