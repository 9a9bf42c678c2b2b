"""The benchmark: files and lists are what meta.json and the options say."""

import hashlib
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import decord
import numpy as np
import pytest
from mmaction.datasets import RawframeDataset, VideoDataset
from phase_order import (
    PRESETS,
    generate,
    generating,
    options_of,
    plan_video,
    preview,
    read_meta,
    render_video,
)
from phase_order.drawing import MOTIONS, class_names, draw_orders
from phase_order.generating import read_video

SMALL = options_of(num_train=16, num_test=8, num_frames=24)
# whether a point of the bounding box, both coordinates from -1 to 1 and y down, is inside
INSIDE = {
    "circle": lambda x, y: x**2 + y**2 <= 1,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) <= 1,
    "cross": lambda x, y: (np.minimum(abs(x), abs(y)) <= 0.36) & (np.maximum(abs(x), abs(y)) <= 1),
    "triangle": lambda x, y: (abs(x) <= (y + 1) / 2) & (y <= 1),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("benchmark") / "small", SMALL, num_workers=1)


def digests(root: Path) -> dict[str, str]:
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_host_datasets_read_the_lists(made: Path, tmp_path: Path) -> None:
    for split, count in (("train", 16), ("test", 8)):
        listed = VideoDataset(str(made / f"{split}.txt"), [], data_prefix={"video": str(made)})
        labels = [d["label"] for d in listed]
        assert labels == [v["label"] for v in read_meta(made)["videos"][split]]
        assert Counter(labels) == dict.fromkeys(range(8), count // 8)
        for d in listed:
            video = decord.VideoReader(d["filename"])
            assert len(video) == SMALL.num_frames
            assert video[0].shape == (SMALL.size, SMALL.size, 3)
            assert video.get_avg_fps() == pytest.approx(16)
    assert (made / "classes.txt").read_text().splitlines() == class_names(SMALL)
    contents = [d for name, d in digests(made).items() if name.endswith("mp4")]
    assert len(set(contents)) == 24, "no video may stand in the lists twice"

    generate(tmp_path, replace(SMALL, storage="frames", num_train=8), num_workers=1)
    frames = RawframeDataset(str(tmp_path / "test.txt"), [], data_prefix={"img": str(tmp_path)})
    assert len(frames) == SMALL.num_test
    for d in frames:
        assert d["total_frames"] == SMALL.num_frames
        for number in (1, d["total_frames"]):
            image = cv2.imread(f"{d['frame_dir']}/" + d["filename_tmpl"].format(number))
            assert image.shape == (SMALL.size, SMALL.size, 3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("preset", PRESETS)
def test_no_phase_and_in_the_hard_preset_no_look_tells_the_class(preset: str, seed: int) -> None:
    options = options_of(preset, seed=seed)
    for position in zip(*draw_orders(options)):
        counts = [position.count(phase) for phase in range(4)]
        mean = options.num_classes / 4
        assert max(abs(count - mean) for count in counts) <= (0 if preset == "easy" else 1)
    plans = [plan_video(options, "test", label)["phases"] for label in range(options.num_classes)]
    looks = {tuple(phase["shape"] for phase in phases) for phases in plans}
    assert preset != "hard" or len(looks) <= options.num_classes / 2


def test_shapes_move_in_every_direction_and_jitter_moves_the_boundaries() -> None:
    options = replace(SMALL, num_frames=96, boundary_jitter=0.25)
    videos = [plan_video(options, "train", i)["phases"] for i in range(100)]
    starts = np.array([[phase["first"] for phase in phases] for phases in videos])[:, 1:]
    assert np.abs(starts - [24, 48, 72]).max() <= 6
    assert len(np.unique(starts[:, 0])) > 6
    phases = [phase for phases in videos for phase in phases]
    boxes = np.concatenate([phase["boxes"] for phase in phases])
    assert 0 <= boxes.min() <= boxes.max() <= SMALL.size - 1
    moves = [np.subtract(phase["centers"][-1], phase["centers"][0]) for phase in phases]
    assert np.linalg.norm(moves, axis=1) == pytest.approx(0.35 * SMALL.size, abs=0.05)
    quadrants = Counter(tuple(q) for q in (np.array(moves) > 0))
    assert len(quadrants) == 4
    assert all(60 < count < 140 for count in quadrants.values())


@pytest.mark.parametrize("cue", ["shape", "motion", "both"])
@pytest.mark.parametrize("num_classes", [2, 6, 24])
def test_classes_differ_in_order_alone(cue: str, num_classes: int) -> None:
    options = options_of(cue=cue, num_classes=num_classes)
    names = [name.split(" > ") for name in class_names(options)]
    assert len({tuple(name) for name in names}) == options.num_classes
    assert all(Counter(name) == Counter(names[0]) for name in names)
    assert len(set(names[0])) == 4
    for forward, backward in zip(names[::2], names[1::2]):
        assert forward == backward[::-1]
    for index in range(options.num_classes):
        video = plan_video(options, "train", index)
        kinds = [phase["kind"] for phase in video["phases"]]
        assert tuple(kinds) == draw_orders(options)[video["label"]]


def test_pixels_show_what_meta_says(made: Path) -> None:
    """The actor, told from the background by color on decoded frames, is the shape at the box."""
    y, x = np.mgrid[: SMALL.size, : SMALL.size]
    for video in read_meta(made)["videos"]["train"]:
        frames = decord.VideoReader(str(made / video["file"])).get_batch(range(24)).asnumpy()
        spans = [range(phase["first"], phase["last"] + 1) for phase in video["phases"]]
        assert [t for span in spans for t in span] == list(range(SMALL.num_frames))
        for times, phase in zip(spans, video["phases"]):
            assert len(times) == len(phase["centers"]) == len(phase["boxes"])
            for t, center, (x0, y0, x1, y1) in zip(times, phase["centers"], phase["boxes"]):
                background = np.median(frames[t], axis=(0, 1))
                far, near = (abs(frames[t] - c).sum(-1) for c in (background, phase["color"]))
                found = near < far
                assert found[round(center[1]), round(center[0])]
                overlap = {}
                for shape, inside in INSIDE.items():
                    u, v = 2 * (x - x0) / (x1 - x0) - 1, 2 * (y - y0) / (y1 - y0) - 1
                    drawn = inside(u, v)
                    overlap[shape] = (drawn & found).sum() / (drawn | found).sum()
                assert overlap[phase["shape"]] > 0.7
                assert max(overlap, key=overlap.get) == phase["shape"]


@pytest.mark.parametrize("cue", ["motion", "both"])
def test_actor_moves_as_its_phase_says(cue: str) -> None:
    options = options_of(cue=cue)
    step = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
    for index in range(8):
        phases = plan_video(options, "test", index)["phases"]
        looks = {(p["shape"], tuple(p["color"])) for p in phases}
        assert len(looks) == (1 if cue == "motion" else 2)
        if cue == "motion":
            assert {p["motion"] for p in phases} == set(MOTIONS) == set(step)
        for phase in phases:
            moved = np.subtract(phase["centers"][-1], phase["centers"][0])
            expected = 0.35 * options.size * np.array(step[phase["motion"]])
            np.testing.assert_allclose(moved, expected, atol=0.05)


def test_color_jitter_takes_color_away() -> None:
    def hues(jitter: float, shape: str) -> np.ndarray:
        options = replace(SMALL, color_jitter=jitter)
        found = [p for i in range(60) for p in plan_video(options, "train", i)["phases"]]
        colors = np.uint8([[p["color"] for p in found if p["shape"] == shape]])
        return cv2.cvtColor(colors, cv2.COLOR_RGB2HSV)[0, :, 0]

    assert len(set(hues(0.0, "circle"))) == 1
    assert abs(int(hues(0.0, "circle")[0]) - int(hues(0.0, "square")[0])) > 20
    for shape in ("circle", "square"):
        assert np.histogram(hues(1.0, shape), bins=6, range=(0, 180))[0].min() > 0


def changed(**options: float) -> np.ndarray:
    """Where options change the frames of a video, away from its actors: (T, H, W)."""
    plain, other = (render_video(o, "train", 1) for o in (SMALL, replace(SMALL, **options)))
    change = (plain != other).any(axis=-1)
    for phase in plan_video(SMALL, "train", 1)["phases"]:
        for t, (x0, y0, x1, y1) in enumerate(np.rint(phase["boxes"]).astype(int), phase["first"]):
            change[t, y0 - 1 : y1 + 2, x0 - 1 : x1 + 2] = False
    return change


def test_distractors_stay_or_move() -> None:
    still, moving = changed(static_distractors=3), changed(moving_distractors=1)
    assert still.any(axis=(1, 2)).all()
    assert (still.sum(axis=0) > SMALL.num_frames // 2).sum() > 0.5 * still.any(axis=0).sum()
    assert moving.any(axis=(1, 2)).sum() > SMALL.num_frames // 2
    assert (moving.sum(axis=0) > SMALL.num_frames // 2).sum() == 0


def test_noise_changes_with_time_and_texture_does_not() -> None:
    plain, noisy, textured = (
        render_video(replace(SMALL, **o), "train", 1).astype(float)
        for o in ({}, {"noise": 5.0}, {"texture": 12.0})
    )
    noise = noisy - plain
    assert noise.std() == pytest.approx(5, rel=0.1)
    assert np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1] == pytest.approx(0, abs=0.1)
    assert changed(texture=12.0).any()
    corner = (textured - plain)[:, :4, :4]
    assert np.median(np.ptp(corner, axis=0)) == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_same_seed_same_files_in_any_order(tmp_path: Path, preset: str) -> None:
    options = options_of(preset, num_train=12, num_test=12, num_frames=24, size=32)
    one = generate(tmp_path / "one", options, num_workers=1)
    two = generate(tmp_path / "two", options, num_workers=2)
    assert digests(one) == digests(two)
    assert len(digests(one)) == 24 + 4

    longer = generate(tmp_path / "longer", replace(options, num_train=13), num_workers=1)
    assert digests(longer)["train/00007.mp4"] == digests(one)["train/00007.mp4"]
    other = generate(tmp_path / "other", replace(options, seed=1), num_workers=1)
    same = [name for name in digests(one) if digests(one)[name] == digests(other)[name]]
    assert same == ["test.txt", "train.txt"], "only the labels' turns do not depend on the seed"


def test_interrupted_generation_leaves_nothing(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = generating.write_video, []

    def fail_at_the_tenth(*args: object, **options: object) -> None:
        calls.append(args)
        if len(calls) == 10:
            raise KeyboardInterrupt
        write(*args, **options)

    monkeypatch.setattr(generating, "write_video", fail_at_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "it", SMALL, num_workers=1)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    for killed in (2**30, os.getpid()):  # in a container the next one may have its number
        (tmp_path / f".it.{killed}.part" / "train").mkdir(parents=True)
    assert digests(generate(tmp_path / "it", SMALL, num_workers=1)) == digests(made)
    assert list(tmp_path.iterdir()) == [tmp_path / "it"]


def test_two_that_make_one_benchmark_leave_it_whole(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, other = generating._write_all, tmp_path / f".it.{os.getppid()}.part"
    other.mkdir()

    def while_another_ends(*arguments: object) -> None:
        write(*arguments)
        shutil.copytree(made, tmp_path / "it")

    monkeypatch.setattr(generating, "_write_all", while_another_ends)
    assert digests(generate(tmp_path / "it", SMALL, num_workers=1)) == digests(made)
    assert sorted(tmp_path.iterdir()) == [other, tmp_path / "it"], "what another one writes stays"


def test_a_second_call_changes_nothing_and_refuses_other_options(made: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*")}
    assert generate(made, SMALL, num_workers=1) == made
    with pytest.raises(ValueError, match=r"noise=0.0 there, 2.0 asked.*seed=0 there, 3 asked"):
        generate(made, replace(SMALL, seed=3, noise=2.0))
    assert {p: p.stat().st_mtime_ns for p in made.rglob("*")} == before


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("somebody's work")
    with pytest.raises(ValueError, match=r"holds 'train.txt' but no benchmark"):
        generate(tmp_path, SMALL)
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(ValueError, match=r"cue=None there, 'shape' asked for"):
        generate(tmp_path, SMALL)
    with pytest.raises(FileNotFoundError, match=r"make the benchmark first"):
        read_meta(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_classes": 25}, "num_classes=25: expected 2 to 24"),
        ({"num_test": 4}, "num_test=4: expected at least one video a class"),
        ({"size": 63}, "size=63: expected even"),
        ({"size": 48}, r"size=48: expected none of \(48, 72\), which decord"),
        ({"cue": "smell"}, "cue='smell'"),
        ({"storage": "webm"}, "storage='webm'"),
        ({"boundary_jitter": 0.5}, r"boundary_jitter=0.5: expected in \[0, 0.5\)"),
        ({"num_frames": 11}, "num_frames=11: expected enough for 4 phases"),
        ({"noise": -1.0}, "noise=-1.0: expected 0 or more"),
        ({"preset": "harder"}, "preset='harder'"),
    ],
)
def test_wrong_options_are_named(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        options_of(**wrong)


def test_preview_shows_the_frames(made: Path, tmp_path: Path) -> None:
    path = preview(made, tmp_path / "sheet.png", num_videos=3)
    sheet = cv2.imread(str(path))[..., ::-1].astype(int)
    video = read_meta(made)["videos"]["test"][0]
    assert read_video(made, video).shape == (SMALL.num_frames, SMALL.size, SMALL.size, 3)
    for phase in video["phases"]:
        close = np.abs(sheet - phase["color"]).max(axis=-1) < 30
        assert close.sum() > 1000, phase["shape"]
