"""Odd folders, bad files, copies and scenes, before anything is trained."""

import errno
import os
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from encoding import CODECS, encode, write_texture
from folder import looking
from folder.finding import Video, class_names, find_videos
from folder.looking import look
from folder.recipe import KNOWN, make_config, trained_on, write_config
from folder.splitting import (
    SHARES,
    find_neighbors,
    find_scenes,
    group_by_name,
    group_by_scene,
    keep_in_training,
    split_videos,
)
from folder.verdict import place_tells
from miniature import touch, write_video
from mmengine.config import Config
from train_folder import parse_args, see_moving

from f4d_mmaction.apis.recognition import read_video, video_pipeline
from f4d_mmaction.datasets.video_reader import VideoReader


def test_odd_names_and_files_are_handled_or_said(tmp_path: Path) -> None:
    root, said = tmp_path / "mine", []
    for seed, name in enumerate(["jump/a, b.mp4", "jump/x.part.1\n.mp4", "run fast/跑 步.webm"]):
        write_video(root / name, 20, seed)
    (root / "run fast" / "copy.webm").write_bytes((root / "run fast" / "跑 步.webm").read_bytes())
    (root / "jump" / "broken.mp4").write_bytes((root / "jump" / "a, b.mp4").read_bytes()[:2000])
    (root / "jump" / "thesis.doc").write_text("no video")
    (root / "jump" / "._a.mp4").write_text("of another system")
    (root / "nothing").mkdir()
    os.symlink(root, root / "jump" / "circle")
    videos = find_videos(root, said.append)
    assert {video.label for video in videos} == {"jump", "run fast"}
    good = look(videos, tmp_path, 16, 1, 60, 2, said.append)
    assert len(good) == 3
    text = "\n".join(said)
    for part in (
        "folder 'nothing'",
        "2 classes: jump, run fast",
        "1 files .doc",
        "circle: the same folder",
        "1 bad videos",
        "1 files with",
    ):
        assert part in text
    for video in good:
        assert (tmp_path / "videos" / video.file).exists()
        assert not set(video.file) & set(" ,\n")
        assert video.frames == 20
    assert "broken.mp4" in (tmp_path / "bad_videos.jsonl").read_text()
    seen = (tmp_path / "looked.jsonl").read_text()
    again = look(find_videos(root, said.append), tmp_path, 16, 1, 60, 2, said.append)
    assert again == good
    new = (tmp_path / "looked.jsonl").read_text().removeprefix(seen).split("\n")[1:]
    assert ["broken.mp4: " in line for line in new] == [True], "only bad ones are looked at twice"


def test_a_network_sees_the_originals_like_the_copies_it_learns_from(tmp_path: Path) -> None:
    video = Video(str(write_texture(tmp_path / "a.mp4", 20, (640, 480))), "x")
    look([video], tmp_path, 40, 1, 60, 2, print)
    args = parse_args(["mine", "--batch=4", "--epochs=2", "--size=32"])
    sampler = dict(num_units=2, clip_len=2)
    read = video_pipeline(make_config(args, tmp_path, ["x", "y"], sampler, averaged=False))
    pixels = [
        read_video(read, str(path))["inputs"].float()
        for path in (video.path, tmp_path / "videos" / video.file)
    ]
    assert (pixels[0] - pixels[1]).abs().mean() < 8  # 19 if single pixels stand for many


def test_a_full_disk_is_no_fault_of_the_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_video(tmp_path / "a.mp4", 20)
    videos = [Video(str(tmp_path / "a.mp4"), "x")]
    with monkeypatch.context() as patch:
        patch.setattr(looking, "write_video", full)
        with pytest.raises(OSError, match=r"the copy of .*a.mp4, cannot be written: .*No space"):
            look(videos, tmp_path, 16, 1, 60, 2, print)
    assert look(videos, tmp_path, 16, 1, 60, 2, print) == videos


def test_a_bad_video_that_is_sound_now_is_taken(tmp_path: Path) -> None:
    """Rights, memory and time leave no trace in the file."""
    video = Video(str(write_texture(tmp_path / "a.mp4", 20, (640, 480))), "x")
    assert look([video], tmp_path, 16, 1, 0.001, 2, print) == []
    assert "(--time-limit)" in (tmp_path / "bad_videos.jsonl").read_text()
    assert look([video], tmp_path, 16, 1, 60, 2, print) == [video]
    assert (tmp_path / "bad_videos.jsonl").read_text() == ""


def test_frames_of_two_sizes_are_bad_in_a_link_as_the_reader_says(tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.webm"  # each keyframe of VP8 tells its size
    with av.open(str(mixed), "w") as out:
        for number, size in enumerate([(64, 48), (96, 72)]):
            part = write_texture(tmp_path / f"{number}.webm", 12, size, CODECS[".webm"])
            with av.open(str(part)) as source:
                if number == 0:
                    stream = out.add_stream_from_template(source.streams.video[0])
                for packet in source.demux():
                    if packet.pts is not None:
                        packet.pts = packet.dts = packet.pts + number * 12 * packet.duration
                        packet.stream = stream
                        out.mux(packet)
    assert look([Video(str(mixed), "x")], tmp_path, 64, 1, 60, 2, print) == []
    assert "frames differ in size" in (tmp_path / "bad_videos.jsonl").read_text()
    (copy,) = look([Video(str(mixed), "y")], tmp_path / "small", 16, 1, 60, 2, print)
    frames = VideoReader(tmp_path / "small" / "videos" / copy.file).read([0, copy.frames - 1])
    assert frames[0].shape == frames[1].shape


def test_blanks_behind_the_point_stay_out_of_lists(tmp_path: Path) -> None:
    """As downloads of one name have them, in a CSV."""
    write_video(tmp_path / "a.mp4", 20)
    name = os.fspath((tmp_path / "a.mp4").rename(tmp_path / "a.mp4 (1), new"))
    (video,) = look([Video(name, "x")], tmp_path, 64, 1, 60, 2, print)
    assert not set(video.file) & set(" ,()")
    assert len(VideoReader(tmp_path / "videos" / video.file)) == 20


def test_what_a_list_beside_the_folders_leaves_out_is_said(tmp_path: Path) -> None:
    touch(tmp_path, "walk/a.mp4", "walk/b.mp4", "run/c.mp4", "sit/d.mp4")
    (tmp_path / "eval.tsv").write_text("run\tacc\n")  # of something else
    (tmp_path / "Test.txt").write_text("walk\\a.mp4 0\nrun/c.mp4 1\n")
    said: list[str] = []
    videos = find_videos(tmp_path, said.append)
    assert [video.path for video in videos] == [f"{tmp_path}/walk/a.mp4", f"{tmp_path}/run/c.mp4"]
    assert "the classes and splits are those of Test.txt" in said
    assert f"left out 2 videos that no list names, first {tmp_path}/sit/d.mp4" in said


def test_a_folder_is_left_out_for_one_reason_and_no_link_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "walk/a.mp4", "run/b.mp4", "closed/c.mp4")
    (tmp_path / "a link").symlink_to(tmp_path / "walk")
    scan = os.scandir

    def refuse(path: str) -> object:
        if os.path.basename(path) == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    said: list[str] = []
    videos = find_videos(tmp_path, said.append)
    assert [(v.path, v.label) for v in videos] == [
        (f"{tmp_path}/run/b.mp4", "run"),
        (f"{tmp_path}/walk/a.mp4", "walk"),
    ]
    assert [text for text in said if text.startswith("left out")] == [
        f"left out {tmp_path}/closed: Permission denied",
        f"left out {tmp_path}/a link: the same folder as one that was read before",
    ]


@pytest.mark.parametrize("name", ["mine.tsv", "mine.txt"])
def test_a_table_is_known_by_its_head(tmp_path: Path, name: str) -> None:
    tab = ", " if name.endswith("txt") else "\t"
    rows = [("path", "label"), ("a b.mp4", "walk"), ("c.mp4", "run")]
    (tmp_path / name).write_text("".join(f"{tab.join(row)}\n" for row in rows))
    videos = find_videos(tmp_path / name, print)
    assert [(Path(v.path).name, v.label) for v in videos] == [("a b.mp4", "walk"), ("c.mp4", "run")]


def test_one_video_is_no_folder_of_them(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 2)
    with pytest.raises(ValueError, match=r"a.mp4 is no \.csv or \.tsv or .* expected a folder"):
        find_videos(tmp_path / "a.mp4", print)


def test_a_remark_with_a_line_end_stays_a_comment(tmp_path: Path) -> None:
    write_config(Config(dict(a=1)), tmp_path / "c.py", ["the first: a\nb.mp4: damaged", "c\r= 2"])
    assert Config.fromfile(tmp_path / "c.py").to_dict() == {"a": 1}


LIMITS = """
import os, resource, sys
from pathlib import Path
from folder import looking
from folder.finding import Video

video, folder = sys.argv[1], Path(sys.argv[2])
read, greedy = looking.VideoReader, lambda path: bytearray(2**28)
for name, limits, reader in (
    ("slow", (0.001, 2.0), read),
    ("large", (60.0, 0.1), greedy),
    ("broken", (60.0, 2.0), lambda path: os.abort()),
    ("starved", (60.0, 0.02), read),
):
    looking.VideoReader = reader
    (folder / name).mkdir()
    assert looking.look([Video(video, "x")], folder / name, 16, 1, *limits, print) == []

# As batch systems set it (`ulimit -v`): what is lower than the system's limit is set.
most = 2**40
resource.setrlimit(resource.RLIMIT_AS, (most, most))
for wanted, soft in ((2**39, 2**39), (2**41, most)):
    looking.limit(resource.RLIMIT_AS, wanted)
    assert resource.getrlimit(resource.RLIMIT_AS) == (soft, most)
"""


def test_a_limit_that_a_video_breaks_is_named(tmp_path: Path) -> None:
    """In a process of its own, as the command has it: forks take what a heap has free first."""
    path = encode(tmp_path / "a.mp4", range(150), size=(1280, 720))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LIMITS, path, tmp_path]
    subprocess.run(command, check=True, env=environment)
    for name, reason in (
        ("slow", "not decoded within 0.001 s"),
        ("large", "needs more memory than 0.1 GiB"),
        ("broken", "crashes the decoder"),
        ("starved", ""),  # FFmpeg calls what it has no memory for damaged
    ):
        assert f"a.mp4: {reason}" in (tmp_path / name / "bad_videos.jsonl").read_text()
        assert not list((tmp_path / name).rglob("~*"))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (["Wave/a.mp4", "wave/b.mp4"], "differ by case or blanks only"),
        (["a wave/a.mp4", "a  wave/b.mp4"], "'a  wave' and 'a wave' differ by case or blanks only"),
        ([" /a.mp4", "wave/b.mp4"], "has no name"),
        (["train_set/x/a.mp4", "Test set/x/a.mp4"], "look like splits, as each has a folder 'x'"),
        (["training/a.mp4"], "0 videos of 0 classes"),
        (["wave/a.mp4"], "1 videos of 1 classes"),
        ([], "0 videos of 0 classes"),
    ],
)
def test_what_cannot_be_trained_is_said(tmp_path: Path, files: list[str], sentence: str) -> None:
    touch(tmp_path, *files)
    with pytest.raises(ValueError, match=sentence):
        find_videos(tmp_path, print)


@pytest.mark.parametrize(
    "tops", [("train", "validate"), ("Train", "dev"), ("videos_train", "videos_val")]
)
def test_a_level_of_splits_is_no_level_of_classes(tmp_path: Path, tops: tuple) -> None:
    touch(tmp_path, *(f"{top}/{label}/a.mp4" for top in tops for label in "xy"))
    (tmp_path / "__MACOSX").mkdir()
    said: list[str] = []
    videos = find_videos(tmp_path, said.append)
    assert [video.label + video.split for video in videos] == ["xtrain", "ytrain", "xval", "yval"]
    assert "left out folder '__MACOSX': no video in it" in said
    touch(tmp_path, "new/a.mp4")
    with pytest.raises(ValueError, match=r"names of splits, beside \['new'\]: rename"):
        find_videos(tmp_path, print)


def test_a_split_below_the_classes_is_taken(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{label}/{split}/a.mp4" for label in "xy" for split in ("Test", "train")))
    said: list[str] = []
    videos = find_videos(tmp_path, said.append)
    assert [video.label + video.split for video in videos] == ["xtest", "xtrain", "ytest", "ytrain"]
    assert "the folders in those of the classes are taken as a given split" in said
    touch(tmp_path, "y/a.mp4")
    assert {video.split for video in find_videos(tmp_path, print)} == {""}


def test_classes_may_be_named_like_splits(tmp_path: Path) -> None:
    touch(tmp_path, "train station/x/a.mp4", "test tube/y/a.mp4")
    assert {v.label for v in find_videos(tmp_path, print)} == {"train station", "test tube"}
    touch(tmp_path, "test tube/x/b.mp4", "walk/x/a.mp4")  # a folder for each person
    assert len({v.label for v in find_videos(tmp_path, print)}) == 3


def test_a_name_that_a_mac_wrote_is_the_same_class(tmp_path: Path) -> None:
    rows = [unicodedata.normalize(form, f"{form}.mp4,tir\xe9\n") for form in ("NFC", "NFD")]
    (tmp_path / "mine.csv").write_text("path,label\nx.mp4,x\n" + "".join(rows), encoding="utf-8")
    assert len({video.label for video in find_videos(tmp_path / "mine.csv", print)}) == 2


def test_class_names_that_are_no_text_stay_apart(tmp_path: Path) -> None:
    touch(tmp_path, *(os.fsdecode(name.encode("gbk")) + "/a.mp4" for name in ("打架", "唱歌")))
    labels = [video.label for video in find_videos(tmp_path, print)]
    assert labels == [r"\udcb3\udcaa\udcb8\udce8", r"\udcb4\udcf2\udcbc\udcdc"]


def test_lists_and_csv_are_read(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("path;label;group;split\na b.mp4;x;1;train\nc.mp4;y;2;Test")
    found = find_videos(tmp_path / "mine.csv", print)
    assert [(v.path, v.label, v.group, v.split) for v in found] == [
        (str(tmp_path / "a b.mp4"), "x", "1", "train"),
        (str(tmp_path / "c.mp4"), "y", "2", "test"),
    ]
    (tmp_path / "classes.txt").write_text("jump\nrun\n")
    (tmp_path / "train.txt").write_text("a b.mp4 1\n")
    (tmp_path / "val.txt").write_text("c d.mp4,0\ne.mp4\t1\n")
    found = [(Path(v.path).name, v.label, v.split) for v in find_videos(tmp_path, print)]
    assert found == [
        ("a b.mp4", "run", "train"),
        ("c d.mp4", "jump", "val"),
        ("e.mp4", "run", "val"),
    ]


def test_classes_keep_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = ["walk", "run", "fight"]
    (tmp_path / "classes.txt").write_bytes("\ufeffwalk\r\nrun\r\nfight\r\n\r\n".encode())
    lines = {"train.txt": "a 2\nb 0\nc 1\n", "train.csv": "path,label\na,fight\nb,walk\nc,run\n"}
    for name, text in lines.items():
        (tmp_path / name).write_text(text)
        assert class_names(find_videos(tmp_path, print)) == names
        (tmp_path / name).unlink()
    (tmp_path / "classes.txt").unlink()
    (tmp_path / "mine.csv").write_text("path,label\na,10\nb,9\nc,1\n")
    assert class_names(find_videos(tmp_path / "mine.csv", print)) == ["1", "9", "10"]


@pytest.mark.parametrize(
    ("classes", "rows", "sentence"),
    [
        ("run\n\njump\n", "a 0\nb 1\n", "classes.txt, line 2 is blank"),
        ("tir\xe9\nrun\n", "a 0\nb 1\n", "classes.txt is not UTF-8"),
        (
            "run\n",
            "a 0\nb 1\n",
            "row 2: number 1 is that of none of the 1 classes",
        ),
        ("run\nsit\n", "a run\nb jump\n", "row 2: name jump is that of none of the 2 classes"),
    ],
)
def test_names_of_classes_that_do_not_serve_are_refused(
    tmp_path: Path, classes: str, rows: str, sentence: str
) -> None:
    (tmp_path / "classes.txt").write_text(classes, encoding="latin1")
    (tmp_path / "train.txt").write_text(rows)
    with pytest.raises(ValueError, match=sentence):
        find_videos(tmp_path, print)


def _videos(names: list[str], backgrounds: list[np.ndarray] | None = None) -> list:
    backgrounds = backgrounds or [np.zeros(768)] * len(names)
    return [
        Video(name, name.split("/")[0], background=frame.astype(np.uint8).tobytes().hex())
        for name, frame in zip(names, backgrounds)
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("{c}/v_{c}_g{g:02}_c{i:02}", "group"),
        ("{c}/movie{g}_{c}_f_cm_np1_fr_med_{i}", "source"),
        ("{c}/S001C001P{g:03}R{i:03}A001_rgb", "person"),
        ("{c}/a1_s{g}_t{i}_depth", "subject"),
        ("{c}/subject{g}/{i}", "subject"),
    ],
)
def test_groups_are_found_in_names_and_kept_together(name: str, kind: str) -> None:
    names = [name.format(c=c, g=g, i=i) for c in "xy" for g in range(1, 9) for i in range(3)]
    videos = _videos([f"{path}.avi" for path in names])
    assert group_by_name(videos, Path(), None, print) == kind
    videos = split_videos(videos, 0, kind, print)
    assert len({(v.group, v.split) for v in videos}) == len({v.group for v in videos})
    assert {(video.label, video.split) for video in videos} == {
        (label, split) for label in "xy" for split in SHARES
    }


def test_a_pattern_may_have_alternatives() -> None:
    videos = _videos([f"{c}/{who}_{i}.mp4" for c in "xy" for who in ("s1", "Subj2") for i in "ab"])
    assert group_by_name(videos, Path(), r"s(\d)_|(Subj\d)_", print) == "group"
    assert [video.group for video in videos] == 2 * ["1", "1", "subj2", "subj2"]


def test_people_who_are_the_classes_are_no_groups() -> None:
    names = [f"person_{c}/{i}" for c in range(4) for i in range(8)]
    random = np.random.default_rng(0)
    videos = _videos(names, [random.integers(0, 256, 768) for _ in names])
    assert group_by_name(videos, Path(), None, print) == ""
    assert group_by_scene(videos, "", print) == "scene"


@pytest.mark.parametrize("many", [3, 20])
def test_three_videos_of_a_class_reach_all_subsets(many: int) -> None:
    videos = _videos([f"{c}/{i}" for c in "abcd" for i in range(many if c == "a" else 3)])
    for video in videos:
        video.group = video.path
    split_videos(videos, 0, "group", print)
    assert {video.label + video.split for video in videos} == {
        c + s for c in "abcd" for s in SHARES
    }


def test_scenes_stay_together_and_torn_ones_are_counted() -> None:
    said: list[str] = []
    videos = _filmed([f"{'xy'[i % 2]}/{i}" for i in range(80)], [i // 4 for i in range(80)])
    assert group_by_scene(videos, "", said.append) == "scene"
    assert [video.group for video in videos] == [f"scene {i // 4}" for i in range(80)]
    split_videos(videos, 0, "scene", said.append)
    assert len({(video.group, video.split) for video in videos}) == 20
    (torn,) = [text for text in said if "random split" in text]
    assert 10 <= int(torn.split("put ")[1].split()[0]) <= 20


def _filmed(names: list[str], places: list[int], noise: float = 5) -> list:
    """Videos whose backgrounds are those of places, with noise."""
    random = np.random.default_rng(0)
    scenes = random.integers(0, 256, (max(places) + 1, 768))
    frames = [np.clip(scenes[p] + random.normal(0, noise, 768), 0, 255) for p in places]
    return _videos(names, frames)


@pytest.mark.parametrize("places", [0, 4])
def test_a_camera_that_stands_still_is_no_scene(places: int) -> None:
    """All clips, or two thirds of them, before one camera; the others in places of two clips."""
    said: list[str] = []
    filmed = [0] * (24 - 2 * places) + [1 + i // 2 for i in range(2 * places)]
    videos = _filmed([f"{'xy'[i % 2]}/{i}" for i in range(24)], filmed, noise=1)
    kind = group_by_scene(videos, "", said.append)
    assert len({video.group for video in videos}) == 24 - places
    assert f"{24 - 2 * places} videos show 1 places, each of which more than a third" in said[0]
    assert said[1:] == [f"{places} scenes: videos whose background looks the same"] * (places > 0)
    split_videos(videos, 0, kind, print)
    assert {video.split for video in videos} == set(SHARES)


def test_videos_without_a_group_are_grouped_by_their_scene() -> None:
    said: list[str] = []
    names = [f"{'xy'[i % 2]}/{'take' if i < 8 else 'v'}{i % 2}_{i}" for i in range(80)]
    videos = _filmed(names, [i // 4 for i in range(80)])
    kind = group_by_name(videos, Path(), r"take\d", said.append)
    assert group_by_scene(videos, kind, said.append) == "group"
    assert {video.group for video in videos[:8]} == {"take0", "take1"}
    assert {video.group for video in videos[8:]} == {f"scene {i}" for i in range(2, 20)}
    assert said == [
        "2 groups by the names of 8 videos, for example 'take0'",
        "72 videos of no group are grouped by their scene",
        "18 scenes: videos whose background looks the same",
    ]


def test_parts_of_recordings_that_pass_for_people_are_told() -> None:
    said: list[str] = []
    names = [f"{'xy'[i % 2]}/rec{i // 8:02}_s{i % 8}" for i in range(80)]
    videos = _filmed(names, [i // 8 for i in range(80)])
    kind = group_by_scene(videos, group_by_name(videos, Path(), None, print), print)
    split_videos(videos, 0, kind, said.append)
    (told,) = [text for text in said if "20 of 20 test videos look like" in text]
    assert "subjects share rooms, or are parts of recordings" in told


def test_the_place_of_one_group_is_compared_with_nothing() -> None:
    videos = _filmed([f"{'xy'[i % 2]}/{i}" for i in range(24)], [i % 2 for i in range(24)])
    for video in videos:
        video.group = "one"
    tells, why = place_tells(videos)
    assert (tells, "is unknown" in why) == (False, True)
    for number, video in enumerate(videos):
        video.group = str(number)
    assert place_tells(videos)[0]


@pytest.mark.parametrize(
    ("splits", "sentence"),
    [
        (["train", "", "test"] * 8, "8 of 24 videos have no split"),
        (["val", "test"] * 12, "expected train among them"),
    ],
)
def test_given_splits_with_gaps_are_refused(splits: list[str], sentence: str) -> None:
    videos = _videos([f"{'xy'[i % 2]}/{i}" for i in range(24)])
    for video, video.split in zip(videos, splits):
        video.group = video.path
    with pytest.raises(ValueError, match=sentence):
        split_videos(videos, 0, "group", print)


def test_a_given_split_that_tears_groups_is_said() -> None:
    videos, said = _videos([f"{'xy'[i % 2]}/{i}" for i in range(24)]), []
    for index, video in enumerate(videos):
        video.group = str(index // 8)
        video.split = ("train", "train", "val", "test")[index // 2 % 4]
    videos[0].label = videos[1].label = videos[8].label = "only trained"
    split_videos(videos, 0, "group", said.append)
    assert any("test videos of 3 of 3 groups elsewhere" in text for text in said)
    assert "test has no video of only trained, as the split was given" in said


def test_val_that_is_cut_from_a_given_train_is_of_other_groups() -> None:
    videos, said = _videos([f"{'xy'[i % 2]}/{i}" for i in range(24)]), []
    for index, video in enumerate(videos):
        video.group, video.split = str(index // 4), "test" if index >= 16 else "train"
    for video in videos[:4]:
        video.label = "rare"
    split_videos(videos, 0, "group", said.append)
    assert not any("elsewhere" in text for text in said)
    rare = {video.split for video in videos[:4]}
    (missing,) = {"train", "val"} - rare
    assert f"{missing} has no video of rare: too few groups" in said
    assert "test has no video of rare, as the split was given" in said


def test_what_a_network_was_trained_on_is_no_test_of_it(tmp_path: Path) -> None:
    tmp_path /= "my training"
    tmp_path.mkdir()
    (tmp_path / "train.txt").write_text("x/a-00000001.mp4 0\nx/b-00000003.avi 1\n")
    (tmp_path / "test.txt").write_text("x/c-00000004.mp4 0\n")
    lists = {name: dict(dataset=dict(ann_file=f"{tmp_path}/{name}.txt")) for name in SHARES}
    text = Config({f"{name}_dataloader": loader for name, loader in lists.items()}).pretty_text
    torch.save({"meta": {"cfg": text}, "state_dict": {}}, tmp_path / "a.pth")
    torch.save({"meta": {}, "state_dict": {}}, tmp_path / "b.pth")
    said: list[str] = []
    assert trained_on(str(tmp_path / "b.pth"), said.append) == set()
    known = trained_on(str(tmp_path / "a.pth"), said.append)
    assert said == []
    splits, groups = ["train", "val", "val", "test", "test", "test"], "gabccd"
    videos = [
        Video(f"{k}.mp4", "x", group, split, file=f"x/v-0000000{k}.mp4")
        for k, (split, group) in enumerate(zip(splits, groups))
    ]
    torn = [replace(video) for video in videos]
    keep_in_training(videos, known, False, said.append)
    assert [video.split for video in videos] == ["train", "train", "val", "train", "train", "test"]
    assert "3 videos, first 1.mp4, moved to train" in said[0]
    assert said[0].endswith("; now train 4, val 1, test 1")
    keep_in_training(torn, known, True, said.append)
    assert [video.split for video in torn] == ["train", "train", "val", "train", "test", "test"]
    with pytest.raises(ValueError, match="trained on all videos of test: give the --seed"):
        keep_in_training(videos, {"00000005"}, False, said.append)

    (tmp_path / "run").mkdir()
    moved = str((tmp_path / "a.pth").rename(tmp_path / "run" / "a.pth"))
    (tmp_path / "elsewhere").mkdir()
    train = (tmp_path / "train.txt").rename(tmp_path / "elsewhere" / "train.txt")
    assert trained_on(moved, said.append) == set()
    assert "which is gone: what is tested here may be among them" in said[-1]
    by_hand = "train_dataloader = dict(dataset=dict(ann_file='train.txt'))"
    torch.save({"meta": {"cfg": by_hand}, "state_dict": {}}, tmp_path / "run" / "hand.pth")
    for lines, why in (
        (b"a/person07.mp4 0\n", "a list of another tool"),
        (b"\x80\x04a pickle", "a list of another tool"),
        (None, "which is gone"),
    ):
        (tmp_path / "train.txt").unlink(missing_ok=True)
        if lines:
            (tmp_path / "train.txt").write_bytes(lines)
        assert trained_on(str(tmp_path / "run" / "hand.pth"), said.append) == set()
        assert f"on the videos of train.txt, {why}: what is tested here may be" in said[-1]
    beside = str(Path(moved).parent.rename(train.parent / "run") / "a.pth")
    assert trained_on(beside, print) == known
    (train.parent / KNOWN).write_text("0000000a\n")  # of the network that this one began from
    assert trained_on(beside, print) == known | {"0000000a"}


@pytest.mark.parametrize("moving", [False, True])
def test_a_checkpoint_that_saw_other_frames_is_told(tmp_path: Path, moving: bool) -> None:
    args = parse_args(["mine", "--batch=4", "--epochs=2", *["--moving"] * moving])
    config = make_config(args, tmp_path, ["x", "y"], dict(num_units=3), averaged=False)
    torch.save({"meta": {"cfg": config.pretty_text}, "state_dict": {}}, tmp_path / "a.pth")
    said: list[str] = []
    command = ["mine", "--from", str(tmp_path / "a.pth")]
    assert see_moving(parse_args(command), [], 16, said.append) == moving
    assert len(said) == 1
    other = [*command, "--no-moving" if moving else "--moving"]
    assert see_moving(parse_args(other), [], 16, said.append) != moving
    assert ("frames less their mean" if moving else "frames as they are") in said[1]


@pytest.mark.parametrize("subset", SHARES)
def test_one_given_subset_is_no_split(subset: str) -> None:
    videos = _videos([f"{'xy'[i % 2]}/{i}" for i in range(24)])
    for video in videos:
        video.group, video.split = video.path, subset
    assert {video.split for video in split_videos(videos, 0, "group", print)} == set(SHARES)


def test_a_csv_made_on_windows_is_read(tmp_path: Path) -> None:
    touch(tmp_path / "videos", "x/a.mp4", "y/b.mp4")
    text = "\ufeffsep=;\r\nPath;Label;;\r\nx\\a.mp4;x;;\r\ny\\b.mp4;y\r\n"
    (tmp_path / "TRAIN.CSV").write_bytes(text.encode())
    found = [(video.path, video.label) for video in find_videos(tmp_path, print)]
    assert found == [(f"{tmp_path}/videos/x/a.mp4", "x"), (f"{tmp_path}/videos/y/b.mp4", "y")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("label,path\nx,a.mp4\ny\n", r"row 2: \['y'\], expected label, path"),
        ('path,label\na,x\n"b,y\nc,z\n', "row 2: unexpected end of data"),
        ("path,label\na,x\nb, c.mp4,y\n", r"row 2: \['b', ' c.mp4', 'y'\], expected path, label"),
    ],
)
def test_a_row_that_is_misread_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ValueError, match=f"mine.csv, {sentence}"):
        find_videos(tmp_path / "mine.csv", print)


def test_takes_with_consecutive_numbers_may_differ_more() -> None:
    random, scenes = np.random.default_rng(0), list(range(20))
    places = random.integers(0, 256, (20, 768))
    frames = [np.clip(places[s] + random.normal(0, 50, 768), 0, 255) for s in scenes for _ in "ab"]
    alone = [f"x/{s}v_{take}.mp4" for s in scenes for take in (1, 3)]
    assert find_scenes(_videos(alone, frames)) == list(range(40))
    numbered = [f"x/{s}v_{take}.mp4" for s in scenes for take in (1, 2)]
    assert find_scenes(_videos(numbered, frames)) == [s for s in scenes for _ in "ab"]
    assert find_neighbors(["a/7.mp4", "a/08.avi", "b/8.mp4", "a/x"]) == [[1], [0], [], []]
    assert find_neighbors(["v_1.mp4", "v_1.avi", "v_2.mp4"]) == [[2], [2], [0, 1]]
