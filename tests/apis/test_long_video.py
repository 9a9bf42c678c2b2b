"""Sliding over a long video equals running each window by itself, in constant memory."""

import csv
import json
import shutil
from copy import deepcopy

import av
import numpy as np
import pytest
import torch
from encoding import write_texture
from long_video import score_alone
from mmaction.apis import init_recognizer
from mmengine.config import Config

from f4d_mmaction.apis import SlidingWindow
from f4d_mmaction.datasets.unwrapping import find_sampler
from f4d_mmaction.datasets.video_errors import BadVideoError

FPS, FRAMES, SECTION = 10, 83, 8  # ten whole sections and three frames


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "long.mp4"
    return write_texture(path, FRAMES, (64, 64), fps=FPS)


def alone(window: SlidingWindow, video) -> np.ndarray:
    """Scores of every window run by itself, one after the other."""
    count = FRAMES // window.section - window.units + 1
    return np.stack([score_alone(window, str(video), index)[0] for index in range(count)])


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_every_window_equals_itself_alone(model, video, batch_size):
    window = SlidingWindow(model, FPS)
    timeline = window.timeline(video, batch_size)
    assert timeline.scores == pytest.approx(alone(window, video), abs=1e-5)
    assert np.ptp(timeline.scores, axis=0).max() > 1e-3, "windows differ, or this tells nothing"
    assert timeline.starts == pytest.approx(np.arange(7) * SECTION / FPS)
    assert timeline.ends == pytest.approx(np.arange(4, 11) * SECTION / FPS)


@pytest.mark.parametrize("less_mean", [False, True])
@pytest.mark.parametrize("name", ["v4d/v4d", "slowonly/slowonly"])
def test_other_networks_in_units_slide_too(root, video, name, less_mean):
    torch.manual_seed(0)
    config = Config.fromfile(root / f"configs/recognition/{name}_r18_phase_order.py")
    if less_mean:
        config.model.data_preprocessor.update(type="ActionUnits", subtract_mean_frame=True)
    window = SlidingWindow(init_recognizer(config, None, "cpu"), FPS, seconds=2.0)
    assert window.section == 5
    assert window.timeline(video, 4).scores == pytest.approx(alone(window, video), abs=1e-5)


def test_a_video_of_whole_sections_ends_with_its_last_frame(model, tmp_path):
    path = write_texture(tmp_path / "whole.mp4", 5 * SECTION, (64, 64), fps=FPS)
    assert SlidingWindow(model, FPS).timeline(path).edges[-1] == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("kind", "options"), [("UnitCombinations", dict(train_units=2)), ("UnitsAsFrames", {})]
)
def test_networks_that_regroup_units_are_refused(config_path, kind, options):
    config = Config.fromfile(config_path)
    config.model.data_preprocessor = dict(type=kind, **options)
    with pytest.raises(ValueError, match=f"got ResNet4d after {kind}"):
        SlidingWindow(init_recognizer(config, None, "cpu"), FPS)


def test_a_window_is_as_long_as_wanted_but_for_less_than_a_frame_a_unit(model):
    for fps, seconds, section in ((29.97, 2, 14), (100, 1.16, 29), (25, 3, 18)):
        assert SlidingWindow(model, fps, seconds).section == section


def test_what_cannot_slide_is_told(model, video, tmp_path):
    short = write_texture(tmp_path / "short.mp4", 3 * SECTION, (64, 64), fps=FPS)
    with pytest.raises(ValueError, match="too short: 3 sections of 8 frames"):
        SlidingWindow(model, FPS).timeline(short)
    with pytest.raises(ValueError, match="fewer than its 4 units"):
        SlidingWindow(model, FPS, seconds=0.3)
    overlapping = deepcopy(model)
    sampler = find_sampler(overlapping.cfg.test_dataloader.dataset.pipeline)
    sampler.update(short="overlap", frame_interval=4)
    seconds = sampler["num_units"] * (sampler["clip_len"] * 4 - 3) / FPS
    SlidingWindow(overlapping, FPS, seconds=seconds)
    with pytest.raises(ValueError, match=r"short='overlap' lets units of \d+ frames reach beyond"):
        SlidingWindow(overlapping, FPS, seconds=seconds - sampler["num_units"] / FPS)
    seconds = (seconds - 1) / sampler["num_units"]
    sampler["num_units"] = 1  # has no neighbor to reach into
    SlidingWindow(overlapping, FPS, seconds=seconds)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(video.read_bytes()[:-500])
    with pytest.raises(BadVideoError, match="missing"):
        SlidingWindow(model, FPS).timeline(broken)


PEAK = """
import resource, sys
from f4d_mmaction.apis import SlidingWindow, load_recognizer
config, checkpoint, *videos = sys.argv[1:]
window = SlidingWindow(load_recognizer(config, checkpoint, "cpu"), 10)
for video in videos:
    windows = len(window.timeline(video).scores)
    print(windows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_the_tool_writes_scores_timeline_and_a_video_that_plays(
    run_tool, config_path, checkpoint, video, tmp_path
):
    network = ("--config", config_path, "--checkpoint", checkpoint, "--device", "cpu")
    said = run_tool("long_video.py", video, *network, "--out-dir", tmp_path, "--compare", 2)
    assert "times as fast" in said
    windows = json.loads((tmp_path / "scores.json").read_text())["windows"]
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert len(windows) == len(rows) == 7
    for window, row in zip(windows, rows):
        assert float(row["start"]) == window["start"]
        assert row["name"] == window["name"]
        assert float(row[row["name"]]) == pytest.approx(max(window["scores"]), abs=1e-5)
    assert (tmp_path / "timeline.png").stat().st_size > 1000
    with av.open(str(tmp_path / "annotated.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert abs(frames - FRAMES) <= 1
    for folder, code in (("a", 0), ("a", 0), ("b", 2)):
        (tmp_path / folder).mkdir(exist_ok=True)
        shutil.copy(video, tmp_path / folder / "cam.mp4")
        said = run_tool("long_video.py", f"{folder}/cam.mp4", *network, "--no-video", code=code)
    assert "long_video/cam holds the scores of a/cam.mp4: give an --out-dir" in said
    taken = ("--out-dir", tmp_path / "timeline.png")
    assert "File exists" in run_tool("long_video.py", video, *network, *taken, code=2)


@pytest.mark.end_to_end
@pytest.mark.parametrize("minutes", [4, pytest.param(10, marks=pytest.mark.slow)])
def test_minutes_need_no_more_memory_than_one(
    config_path, checkpoint, tmp_path, run_python, minutes
):
    lengths = (1, minutes)
    videos = [
        write_texture(tmp_path / f"{m}.mp4", m * 60 * FPS, (64, 64), fps=FPS) for m in lengths
    ]
    done = run_python("-c", PEAK, config_path, checkpoint, *videos)
    assert done.returncode == 0, done.stderr
    (few, one), (many, all) = (map(int, line.split()) for line in done.stdout.split("\n")[-3:-1])
    assert (few, many) == tuple(m * 60 * FPS // SECTION - 3 for m in lengths)
    pictures = (minutes - 1) * 60 * FPS * 64 * 64 * 3 // 2**20
    assert all - one < pictures / 3, f"MiB; the other minutes hold {pictures} MiB of pictures"
