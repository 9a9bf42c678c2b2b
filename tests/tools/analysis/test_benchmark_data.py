"""The loading benchmark compares like with like, and writes what it says."""

import json
import subprocess
import sys

import pytest
from benchmark import check
from benchmark_data import OURS, STOCK, compare, replace_stages, to_markdown
from mmengine.config import Config

OURS_STOCK = ("ours", "stock")
SAMPLER = {"type": "SampleActionUnits", "num_units": 4, "clip_len": 2, "test_mode": True}
PIPELINE = [
    SAMPLER,
    {"type": "RawFrameDecode"},
    {"type": "Resize", "scale": (16, 16), "keep_ratio": False},
    {"type": "FormatActionUnits"},
    {"type": "PackActionInputs"},
]


def config():
    dataset = {"type": "RawframeDataset", "ann_file": "none.txt", "pipeline": PIPELINE}
    return Config({"test_dataloader": {"dataset": dataset}, "default_scope": "mmaction"})


def test_stages_are_replaced_and_others_kept():
    stock = [step["type"] for step in replace_stages(PIPELINE, STOCK)]
    assert stock[1:] == ["RawFrameDecode", "Resize", "FormatShape", "PackActionInputs"]
    ours = [step["type"] for step in replace_stages(PIPELINE, OURS)]
    assert ours[1:] == ["DecodeRawUnits", "Resize", "FormatActionUnits", "PackActionInputs"]


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".webm", "libvpx")])
def test_generated_videos_are_compared_stage_by_stage(suffix, codec):
    records = compare(config(), [5, 9], suffix, codec, (32, 24), videos=2, repeats=3)
    assert [record["frames"] for record in records] == [5, 9]
    for record in records:
        ours, stock = ([row[name]["stage"] for row in record["stages"]] for name in OURS_STOCK)
        assert ours[0] == "0. InitVideo"
        assert stock[0] == "0. DecordInit"
        assert ours[-2:] == stock[-2:] == ["total", "total, CPU"]
        totals = [record["stages"][-2][name]["ms"] for name in OURS_STOCK]
        assert record["ratio"] == pytest.approx(totals[1] / totals[0])
        speeds = record["videos_per_second"]
        assert record["ratio"] == pytest.approx(speeds["ours"] / speeds["stock"])
    assert to_markdown(records).count("### 2 of") == 2


def test_the_tool_writes_tables_and_records(tmp_path, root, subprocess_env):
    path, page = tmp_path / "config.py", tmp_path / "page.md"
    path.write_text(
        f"default_scope = 'mmaction'\ntest_dataloader = dict(dataset=dict(pipeline={PIPELINE!r}))\n"
    )
    page.write_text("<!-- loading -->\n<!-- /loading -->\n")
    tool = [sys.executable, str(root / "tools/analysis/benchmark_data.py"), str(path)]
    small = ["--frames", "5", "--size", "32", "24", "--videos", "1", "--repeats", "1"]
    written = ["--json", str(tmp_path / "out.json"), "--markdown", str(page), "loading"]
    command = [*tool, *small, *written]
    done = subprocess.run(command, env=subprocess_env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.json").read_text())[0]["frames"] == 5
    assert "### 1 of 5 frames" in page.read_text()


def test_loading_can_be_a_target_of_the_benchmark(tmp_path):
    config, targets = tmp_path / "config.py", tmp_path / "targets.json"
    config.write_text(
        f"default_scope = 'mmaction'\ntest_dataloader = dict(dataset=dict(pipeline={PIPELINE!r}))\n"
    )
    target = dict(measure="loading", config=str(config), frames=6)
    bounds = [dict(target, name="met", at_least=1e-9), dict(target, name="missed", at_least=1e9)]
    targets.write_text(json.dumps(dict(targets=bounds)))
    assert [result["met"] for result in check(targets)] == [True, False]
