"""CONTRIBUTING.md names what is there, and its list for an attention works as it is written."""

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
import torch
from pages import ROOT, block
from tiny_run import train, write_config

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGES = """
_base_.train_cfg.max_epochs = 1
_base_.train_dataloader.dataset.indices = 8
"""


def test_its_lists_name_files_and_entries_that_exist() -> None:
    named = re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:toml|cff|md))`(?:\s+\(`(\w+)`\))?", TEXT)
    assert len(named) > 40
    for path, entry in named:
        assert (ROOT / path).exists(), path
        assert not entry or re.search(rf"\b{entry}\b", (ROOT / path).read_text()), (path, entry)


def test_an_attention_of_a_foreign_file_is_trained_and_drawn(
    benchmark: Path, tmp_path: Path, run_tool: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps of training; without a map the last tool would refuse to draw."""
    module = block("CONTRIBUTING.md", "class FrameAttention")
    config = block("CONTRIBUTING.md", "custom_imports")
    (tmp_path / "my_attention.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    path = write_config(tmp_path, benchmark, CHANGES + config)
    train(path, tmp_path / "run")
    saved = torch.load(tmp_path / "run/epoch_1.pth", weights_only=True)
    assert saved["meta"]["iter"] == 2
    learned = saved["state_dict"]["backbone.blocks4d.layer1_1.attention.FrameAttention.scale"]
    assert not torch.equal(learned, torch.ones_like(learned))

    video = next(benchmark.rglob("*.mp4"))
    options = ("--config", path, "--checkpoint", tmp_path / "run/epoch_1.pth")
    run_tool("demo.py", video, *options, "--out-dir", "drawn", "--location", "layer1_1")
    (picture,) = (tmp_path / "drawn").glob("*.png")
    assert cv2.imread(str(picture)).std() > 1


def test_commits_meet_the_versions_of_the_test_command() -> None:
    tested = (ROOT / "requirements/constraints.txt").read_text().splitlines()
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    found = re.findall(r"(ruff|codespell)(?:\[toml\])?(==[\d.]+)", hooks)
    assert {name for name, _ in found} == {"ruff", "codespell"}
    assert all(f"{name}{version}" in tested for name, version in found)
