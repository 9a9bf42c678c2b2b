"""The loading benchmark compares like with like, and writes what it says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from benchmark_data import OURS, STOCK, Comparison, compare, loader_speed, replace_stages
from mmengine.config import Config
from reduction import RECOGNITION

PIPELINE = [
    dict(type="SampleActionUnits", num_units=4, clip_len=2, test_mode=True),
    dict(type="RawFrameDecode"),
    dict(type="Resize", scale=(16, 16), keep_ratio=False),
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]
CONFIG = (
    f"default_scope = 'mmaction'\ntest_dataloader = dict(dataset=dict(pipeline={PIPELINE!r}))\n"
)


def test_stages_are_replaced_and_others_kept() -> None:
    stock = [step["type"] for step in replace_stages(PIPELINE, STOCK)]
    assert stock[1:] == ["RawFrameDecode", "Resize", "FormatShape", "PackActionInputs"]
    ours = [step["type"] for step in replace_stages(PIPELINE, OURS)]
    assert ours[1:] == ["DecodeRawUnits", "Resize", "FormatActionUnits", "PackActionInputs"]


def test_generated_videos_are_compared_stage_by_stage() -> None:
    found = compare(Config.fromstring(CONFIG, ".py"), [5, 9], videos=2, repeats=3)
    assert [each.videos.partition(",")[0] for each in found] == ["2 of 5 frames", "2 of 9 frames"]
    for comparison in found:
        for times, opener in ((comparison.ours, "InitVideo"), (comparison.stock, "DecordInit")):
            stages = list(times)
            assert stages[0] == f"0. {opener}"
            assert stages[-2:] == ["total", "total, CPU"]
            assert len(stages) == 1 + len(PIPELINE) + 2
            for numbers in zip(*times.values()):
                assert len(times["total"]) == 3
                assert sum(numbers[:-2]) == pytest.approx(numbers[-2])


def test_a_ratio_is_of_the_medians() -> None:
    ours = {"0. A": [1.0, 2.0, 6.0], "total": [1.0, 2.0, 6.0], "total, CPU": [1.0, 1.0, 1.0]}
    stock = {"0. B": [9.0, 4.0, 5.0], "total": [9.0, 4.0, 5.0], "total, CPU": [4.0, 4.0, 4.0]}
    text = Comparison("some", ours, stock).to_markdown()
    assert "| 0. A | 2.0 (1.5 to 4.0) | 0. B | 5.0 (4.5 to 7.0) | 2.50 |" in text
    assert "500.0 videos/s against 200.0: ratio 2.50 (4.00 in CPU time)" in text


def test_the_tool_writes_its_tables(tmp_path: Path, run_tool: Callable) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    (tmp_path / "page.md").write_text("<!-- loading -->\n<!-- /loading -->\n")
    small = ("--frames", 5, "--videos", 1, "--repeats", 1, "--markdown", "page.md", "loading")
    run_tool("analysis/benchmark_data.py", "config.py", *small)
    assert "### 1 of 5 frames" in (tmp_path / "page.md").read_text()
    said = run_tool("analysis/benchmark_data.py", "nope.py", code=2)
    assert "error: config nope.py does not exist" in said.splitlines()[-1]


def test_loader_of_a_training_pipeline_is_timed() -> None:
    config = Config.fromfile(RECOGNITION / "f4d" / "f4d_r18_phase_order.py")
    assert loader_speed(config, workers=2, videos=2, frames=32) > 0
