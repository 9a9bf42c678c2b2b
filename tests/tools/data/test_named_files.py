"""EgoGestAR and UTD-MHAD in miniature: lists, folds, small videos and joined actions."""

import hashlib
from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import named_files
import numpy as np
import pytest
from encoding import encode
from mmengine.config import Config
from named_files import ACTIONS, NAMED, SUBJECTS, Clip, prepare_egogestar, prepare_utd_mhad
from preparation import PreparationError, Summary
from scipy.io import savemat

from f4d_mmaction.datasets.video_reader import VideoReader

BASES = Path(__file__).parents[3] / "configs" / "_base_" / "datasets"
SERIALS = (1, 2, 3, 8, 11, 14, 15, 19, 22)


def entries(summary: Summary, name: str) -> dict[str, int]:
    lines = [line.split() for line in summary.written[f"{name}.txt"].read_text().splitlines()]
    assert len(dict(lines)) == len(lines)
    return {video: int(label) for video, label in lines}


def assert_config_reads(name: str, summary: Summary, out: Path) -> None:
    """Each list, folder and class file that a config of ``_base_`` names is there."""
    config = Config.fromfile(BASES / f"{name}.py")
    assert config.data_root == f"data/{name}"
    for phase in ("train", "val", "test"):
        dataset = config[f"{phase}_dataloader"].dataset
        assert dataset.ann_file in summary.written
        assert Path(dataset.metainfo.classes) == Path(config.data_root, "label_map.txt")
        assert (out / dataset.data_prefix.video).is_dir()
    lists = [config[f"{phase}_dataloader"].dataset.ann_file for phase in ("train", "test")]
    train, test = (entries(summary, Path(name).stem) for name in lists)
    assert not train.keys() & test.keys()


def frames(path: Path) -> np.ndarray:
    reader = VideoReader(str(path))
    return np.stack(reader.read(range(len(reader)))).astype(int)


@pytest.fixture(scope="module")
def gestures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    media = tmp_path_factory.mktemp("gestures") / "videos"
    media.mkdir()
    for serial in SERIALS:
        encode(media / f"testvideo_up_{serial}.mp4", range(3 + serial % 4), fps=10 + serial)
    whole = encode(media / "testvideo_star_3.mp4", size=(48, 64)).read_bytes()
    (media / "testvideo_star_4.mp4").write_bytes(whole[: len(whole) // 2])
    (media / "testvideo_star_5.mp4").touch()
    for name in ("testvideo_unclassified_1.mp4", "testvideo_up_23.mp4"):
        (media / name).write_bytes(whole)
    return media


def test_folds_test_each_clip_once_and_share_no_serial(gestures: Path, tmp_path: Path) -> None:
    summary = prepare_egogestar(gestures, tmp_path, 32)
    assert_config_reads("egogestar", summary, tmp_path)
    classes = summary.written["label_map.txt"].read_text().split()
    good = {f"testvideo_up_{n}.mp4" for n in SERIALS} | {"testvideo_star_3.mp4"}
    tested: dict[str, list[str]] = {"fold": [], "place": []}
    for kind, number in product(tested, range(1, 6)):
        train, test, inner, val = (
            entries(summary, name.format(f"{kind}{number}"))
            for name in ("train_{}", "test_{}", "train_{}_inner", "val_{}_inner")
        )
        tested[kind] += test
        for larger, left, right in ((good, train, test), (train.keys(), inner, val)):
            assert {*left, *right} == larger
            serials = [{name.split("_")[2] for name in part} for part in (left, right)]
            assert serials[0].isdisjoint(serials[1])
        assert all(classes[label] == name.split("_")[1] for name, label in (train | test).items())
    assert [sorted(names) for names in tested.values()] == [sorted(good)] * 2
    kinds = {kind: len(names) for kind, names in summary.problems.items()}
    assert kinds == {"missing": 208, "empty": 1, "damaged": 1, "unlabeled": 1, "foreign": 1}
    assert "testvideo_star_4.mp4" in summary.problems["damaged"][0]


def test_copies_have_all_frames_and_are_made_once(gestures: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    prepare_egogestar(gestures, tmp_path, 32)
    for name, shape in (("up_22", (32, 42)), ("star_3", (42, 32))):
        copy, original = (frames(at / f"testvideo_{name}.mp4") for at in (videos, gestures))
        assert copy.shape == (len(original), *shape, 3)
        assert np.abs(copy.mean((1, 2, 3)) - original.mean((1, 2, 3))).max() < 2
    assert VideoReader(str(videos / "testvideo_up_22.mp4")).average_fps == 32
    before = {path: path.stat().st_mtime_ns for path in videos.iterdir()}
    (videos / "testvideo_up_1.mp4").unlink()
    prepare_egogestar(gestures, tmp_path, 32)
    changed = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed == {"testvideo_up_1.mp4"}


def test_nothing_half_written(
    gestures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, *args: object, **options: object) -> None:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(ValueError, match="holds the originals"):
        prepare_egogestar(gestures, gestures.parent)
    with pytest.raises(PreparationError, match="wrong media folder"):
        prepare_utd_mhad(gestures, tmp_path, sequences=2)
    monkeypatch.setattr(named_files, "write_video", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_egogestar(gestures, tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["videos"]


@pytest.mark.parametrize("name", NAMED)
def test_each_dataset_has_a_base_a_config_and_its_words(name: str) -> None:
    root = BASES.parents[2]
    assert (BASES / f"{name}.py").is_file()
    assert (root / "configs" / "recognition" / "f4d" / f"f4d_r18_{name}.py").is_file()
    assert f"prepare.py {name}" in (root / "docs" / "datasets.md").read_text()


def test_two_clips_never_become_one_file(tmp_path: Path) -> None:
    clips = [Clip("001.mp4", label, 1, (tmp_path / "001.mp4",)) for label in (0, 1)]
    with pytest.raises(ValueError, match="one file of one name"):
        named_files._convert(clips, tmp_path, 64, named_files._short_side, {})


def test_color_videos_are_listed_as_published(tmp_path: Path, run_tool: Callable) -> None:
    """861 clips, 431 and 430; no one has takes 4 of actions 8, 23 and 27 by subjects 1, 6 and 8."""
    for action, subject, take in np.ndindex(27, 8, 4):
        name = f"a{action + 1}_s{subject + 1}_t{take + 1}_color.avi"
        (tmp_path / name).write_bytes(b"as it is")
    summary = prepare_utd_mhad(tmp_path, tmp_path / "out")
    lists = {name: entries(summary, name) for name in SUBJECTS}
    assert [len(videos) for videos in lists.values()] == [431, 430, 323, 108]
    labels = [*lists["train"].values(), *lists["test"].values()]
    assert [labels.count(label) for label in range(27)] == [32] * 7 + [31] + [32] * 14 + [
        *(31, 32, 32, 32, 31),
    ]
    assert [name[1:-13] for name in summary.problems["foreign"]] == ["23_s6", "27_s8", "8_s1"]

    command = ("data/prepare.py", "utd_mhad", "--media", ".", "--out", "out")
    assert "train.txt: 431" in run_tool(*command)
    (tmp_path / "a1_s1_t1_color.avi").unlink()
    run_tool(*command, "--strict", "--report", "report.txt", code=1)
    assert "missing: a1_s1_t1_color.avi" in (tmp_path / "report.txt").read_text()
    run_tool(*command, "--sequences", 2, code=2)


@pytest.fixture(scope="module")
def depth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person 40 tall and 8 wide goes 12 to the side, the upper half nearer than the lower."""
    folder = tmp_path_factory.mktemp("depth")
    for action, subject, take in (
        (a, s, t) for a in (1, 2, 9) for s in range(1, 9) for t in (1, 2)
    ):
        if subject < 3 or take == 1:
            image = np.zeros((60, 80, 3 + action), np.uint16)
            for time, left in enumerate(np.linspace(60, 72, 3 + action).astype(int)):
                image[10:30, left : left + 8, time] = 2000 + 10 * take
                image[30:50, left : left + 8, time] = 3000
            savemat(folder / f"a{action}_s{subject}_t{take}_depth.mat", {"d_depth": image})
    return folder


def test_depth_becomes_one_square_around_the_movement(depth: Path, tmp_path: Path) -> None:
    summary = prepare_utd_mhad(depth, tmp_path, 44)  # 1.1 x 40: a pixel stays a pixel
    assert_config_reads("utd_mhad", summary, tmp_path)
    video = frames(tmp_path / "videos" / "a1_s3_t1.mp4")
    assert video.shape == (4, 44, 44, 3)
    expected = np.zeros((4, 44, 44))
    for time, left in enumerate((12, 16, 20, 24)):
        expected[time, 2:22, left : left + 8] = 255
        expected[time, 22:42, left : left + 8] = named_files.FAINTEST
    assert np.abs(video - expected[..., None]).mean() < 2


def test_sequences_join_one_person_in_every_order(
    depth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_files, "DRAWN", 3)
    single, joined, again = (tmp_path / name for name in ("single", "joined", "again"))
    prepare_utd_mhad(depth, single, 44)
    summary = prepare_utd_mhad(depth, joined, 44, sequences=2, seed=5216)  # draws those in `depth`
    assert_config_reads("utd_mhad_sequences", summary, joined)
    names = summary.written["label_map.txt"].read_text().splitlines()
    orders = [tuple(name.split(" then ")) for name in names]
    assert orders == list(permutations((ACTIONS[0], ACTIONS[1], ACTIONS[8]), 2))
    lists = {name: entries(summary, name) for name in SUBJECTS}
    assert [len(videos) for videos in lists.values()] == [6 * 5, 6 * 5, 6 * 4, 6]
    for name, videos in lists.items():
        for video, label in videos.items():
            subject, *parts = Path(video).stem.split("_")
            assert int(subject[1]) in SUBJECTS[name]
            takes = [part[1:].split("t") for part in parts]
            assert tuple(ACTIONS[int(action) - 1] for action, _ in takes) == orders[label]
    alone = [frames(single / "videos" / f"a{a}_{subject}_t{t}.mp4") for a, t in takes]
    whole, expected = frames(joined / "videos" / video), np.concatenate(alone)
    assert whole.shape == expected.shape
    assert np.abs(whole - expected).mean() < 1
    repeated = prepare_utd_mhad(depth, again, 16, sequences=2, seed=5216)
    assert entries(repeated, "train") == lists["train"]


def test_a_seed_draws_the_same_sequences_whatever_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_files, "_convert", lambda clips, *_: clips)
    for action, subject, take in np.ndindex(27, 8, 4):
        name = f"a{action + 1}_s{subject + 1}_t{take + 1}_depth.mat"
        (tmp_path / name).write_bytes(b"never read")

    def drawn() -> str:
        written = prepare_utd_mhad(tmp_path, tmp_path / "out", sequences=2).written
        lists = b"".join(written[f"{name}.txt"].read_bytes() for name in SUBJECTS)
        return hashlib.sha256(lists).hexdigest()[:16]

    studied = "5ceb97ba421c064f"  # docs/experiments/utd_mhad_sequences.py was run on these lists
    assert drawn() == studied
    for path in tmp_path.glob("a3_*"):
        path.unlink()
    assert drawn() == studied
    for path in tmp_path.glob("a9_*"):
        path.unlink()
    with pytest.raises(PreparationError, match=r"seed 0 draws draw circle clockwise \(a9\), of"):
        drawn()
