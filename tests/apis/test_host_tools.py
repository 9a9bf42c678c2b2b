"""MMAction2's own tools on this project's config; docs/inference.md says which are not here."""

import pickle
import runpy
import sys
from functools import partial
from pathlib import Path

import cv2
import mmaction
import numpy as np
import pytest
import torch
from mmengine.visualization import LocalVisBackend


@pytest.fixture
def run(run_tool, benchmark, tmp_path):
    """Run a tool in a folder where the config finds its data; return what it prints."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/phase_order").symlink_to(benchmark)
    return partial(run_tool, "mmaction_tool.py")


def test_clip_feature_extraction_writes_a_feature_for_each_video(
    run, config_path, checkpoint, tmp_path
):
    run("clip_feature_extraction", config_path, checkpoint, tmp_path / "features")
    files = sorted((tmp_path / "features/test").glob("*.pkl"))
    assert len(files) == 8
    features = [np.asarray(pickle.loads(file.read_bytes())) for file in files]
    assert {feature.shape for feature in features} == {(128,)}
    assert np.ptp(features, axis=0).max() > 0


def test_confusion_matrix_counts_every_test_video(run, config_path, checkpoint, tmp_path):
    printed = run("confusion_matrix", config_path, checkpoint, "--show-path", "matrix.png")
    rows = printed.partition("tensor(")[2].partition(")")[0]
    assert sum(int(word) for word in rows.replace("[", " ").replace("]", " ").split(",")) == 8
    assert cv2.imread(str(tmp_path / "matrix.png")).std() > 1


def test_publish_model_keeps_the_weights_alone(run, checkpoint, tmp_path):
    run("publish_model", checkpoint, tmp_path / "published.pth")
    (published,) = tmp_path.glob("published*.pth")
    state = torch.load(published)["state_dict"]
    torch.testing.assert_close(dict(state), dict(torch.load(checkpoint)["state_dict"]))


def test_analyze_logs_tells_the_time_of_iterations(run, tmp_path):
    pytest.importorskip("seaborn")
    backend = LocalVisBackend(str(tmp_path / "vis_data"))
    for step in range(1, 5):
        scalars = {"lr": 0.1, "loss": 1.0, "time": 0.25, "epoch": (step + 1) // 2, "iter": step}
        backend.add_scalars(scalars, step=step)
    backend.close()
    printed = run("analyze_logs", "cal_train_time", Path("vis_data/scalars.json"))
    assert "average iter time: 0.2500 s/iter" in printed


def test_vis_scheduler_draws_the_schedule_without_our_loop_and_hooks(run, config_path, tmp_path):
    run("vis_scheduler", config_path, "--save-path", "schedule.jpg", "-d", 64, "--cfg-options",
        "train_cfg.type=EpochBasedTrainLoop")  # fmt: skip
    assert cv2.imread(str(tmp_path / "schedule.jpg")).std() > 1


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["no_such_tool"], "confusion_matrix"),
        (["get_flops", "config.py"], "python tools/analysis/complexity.py"),
        (["vis_cam", "config.py"], "python tools/demo.py"),
        (["analyze_logs", "plot_curve"], "python tools/analysis/plot_runs.py"),
    ],
)
def test_a_tool_that_does_not_work_is_answered_with_what_does(run_tool, arguments, answer):
    assert answer in run_tool("mmaction_tool.py", *arguments, code=1)


def test_get_flops_itself_is_answered_with_what_replaces_it(monkeypatch, config_path):
    tool = Path(mmaction.__file__).parent / ".mim/tools/analysis_tools/get_flops.py"
    monkeypatch.setattr(sys, "argv", ["get_flops.py", str(config_path)])
    with pytest.raises(ValueError, match=r"got \(1, 3, 224, 224\).*tools/analysis/complexity.py"):
        runpy.run_path(str(tool), run_name="__main__")
