"""The report of a GPU says what each row did: a speed, or why there is none."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gpu_report
import pytest
import torch

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "performance_gpu.md"
SCRIPT = ROOT / "tools" / "analysis" / "gpu_report.sh"
SECTIONS = re.findall(r"\{\*:-(.*?)\}", SCRIPT.read_text())[0].split()
TINY = replace(gpu_report.case_of("F4D"), batch=1, num_units=2, clip_len=1, size=16, device="cpu")


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.slow
def test_rows_are_measured_time_out_and_fail_on_their_own() -> None:
    wrong = replace(TINY, options={"model.backbone.depth": 7})
    slow = replace(TINY, batch=64, size=448)
    rates = list(gpu_report.measured([wrong, TINY], 300, 300))
    assert rates[0] == "failed: KeyError"
    assert rates[1][0] > 0
    assert list(gpu_report.measured([slow, TINY], 1.5, 2)) == [
        "over 2 s",
        "not run, the time was over",
    ]


def test_a_row_that_exceeds_the_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(case: gpu_report.Case) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gpu_report.Case, "build_step", full)
    assert gpu_report.measure(TINY) == "out of memory"


@pytest.mark.parametrize("name", gpu_report.NETWORKS)
def test_networks_take_their_usual_input(name: str) -> None:
    found = gpu_report.measure(replace(gpu_report.case_of(name, training=False), device="cpu"))
    assert found[0] > 0


def test_numbers_of_a_toy_are_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu_report, "ON_GPU", False)
    found = iter([(12.0, 5), "out of memory"])
    monkeypatch.setattr(gpu_report, "measured", lambda cases, *_: found)
    page = tmp_path / "page.md"
    page.write_text("<!-- inference -->\n<!-- /inference -->\n")
    monkeypatch.setattr(sys, "argv", ["gpu_report.py", "inference", "--markdown", str(page)])
    gpu_report.main()
    text = page.read_text()
    assert "Nothing was measured" in text
    assert "eager | runs |  |" in text
    assert "eager | out of memory |  |" in text
    assert "12.0" not in text


def test_the_page_has_every_section_of_the_script() -> None:
    assert [name for name in SECTIONS if f"<!-- {name} -->" not in PAGE.read_text()] == []


@pytest.mark.slow
@pytest.mark.skipif(gpu_report.ON_GPU, reason="measures, and is no toy")
def test_without_a_gpu_the_whole_report_runs_and_leaves_the_page_alone(
    subprocess_env: dict[str, str], tmp_path: Path
) -> None:
    for name in ("configs", "docs", "f4d_mmaction", "tests", "tools"):
        passing = shutil.ignore_patterns("__pycache__")  # another test may be writing it
        shutil.copytree(ROOT / name, tmp_path / name, ignore=passing)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    env = {**subprocess_env, "PYTHONPATH": str(tmp_path)}
    command = ["bash", str(tmp_path / SCRIPT.relative_to(ROOT))]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith("at a toy size: nothing was measured")
    assert (tmp_path / "docs" / PAGE.name).read_text() == PAGE.read_text()
    toy = (tmp_path / "work_dirs" / "gpu_report" / "toy.md").read_text()
    for name in SECTIONS:
        _, _, text = toy.partition(f"<!-- {name} -->\n")
        assert not text.startswith("Not measured"), name
        assert text.startswith("**Nothing was measured") or name == "accuracy"
    assert "failed" not in toy
    assert "F4D, bf16 |" in toy  # trained and tested
