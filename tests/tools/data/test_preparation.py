"""Lists made from miniature official files, and what is said where those are wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dataset_facts import DATASETS, list_name, recognize_list
from hypothesis import given, settings
from hypothesis import strategies as st
from miniature import MAKERS, Miniature, make_kinetics400
from preparation import PreparationError, Summary, prepare


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Miniature]:
    root = tmp_path_factory.mktemp("miniatures")
    return {name: make(root / name) for name, make in MAKERS.items()}


@pytest.fixture
def minis(originals: dict[str, Miniature], tmp_path: Path) -> dict[str, Miniature]:
    """Copies that a test may spoil."""
    copies = {}
    for name, mini in originals.items():
        shutil.copytree(mini.annotations.parent, tmp_path / name)
        annotations, media = tmp_path / name / "annotations", tmp_path / name / mini.media.name
        copies[name] = Miniature(name, annotations, media, mini.classes, mini.lists)
    return copies


def run(mini: Miniature, **options: object) -> Summary:
    return prepare(mini.dataset, mini.annotations, mini.media, mini.media.parent / "out", **options)


def listed(summary: Summary, name: str) -> list[str]:
    return summary.written[name].read_text().splitlines()


def counts(problems: dict[str, list[str]]) -> dict[str, int]:
    return {kind: len(texts) for kind, texts in problems.items()}


def refused(mini: Miniature, **options: object) -> PreparationError:
    with pytest.raises(PreparationError) as caught:
        run(mini, **options)
    assert not (mini.media.parent / "out").exists()
    return caught.value


@pytest.mark.parametrize("dataset", MAKERS)
@pytest.mark.parametrize("as_windows_writes", [False, True])
def test_lists_are_exactly_the_expected_ones(
    minis: dict[str, Miniature], dataset: str, as_windows_writes: bool
) -> None:
    mini = minis[dataset]
    for path in mini.annotations.iterdir() if as_windows_writes else ():
        lines = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + lines)
    for split, subsets in mini.lists.items():
        summary = run(mini, split=split)
        for subset, lines in subsets.items():
            path = summary.written[list_name(subset, split)]
            assert path.read_text() == "".join(f"{line}\n" for line in lines)
            assert summary.counts[subset] == len(lines)
            published = DATASETS[dataset].counts[split][subset]
            named_like_it = Path("data", dataset, path.name)
            assert recognize_list(named_like_it) == (DATASETS[dataset], published)
        assert listed(summary, "label_map.txt") == mini.classes


def test_missing_videos_are_left_out_counted_and_named(minis: dict[str, Miniature]) -> None:
    mini = minis["ucf101"]
    gone = ["YoYo/v_YoYo_g01_c01.avi", "YoYo/v_YoYo_g02_c01.avi"]
    (mini.media / gone[0]).unlink()
    (mini.media / gone[1]).rename(mini.media / "YoYo/v_YoYO_g02_c01.avi")
    (mini.media / "ApplyEyeMakeup/v_ApplyEyeMakeup_g03_c01.avi").write_bytes(b"")
    summary = run(mini, split=1)
    assert counts(summary.problems) == {"missing": 2, "empty": 1}
    assert summary.counts == {"train": 7, "val": 2}
    left_out = summary.written["left_out_split1.txt"].read_text()
    assert f"missing: {gone[0]} (testlist01.txt:3)" in left_out
    assert "nearest: 'YoYo/v_YoYO_g02_c01.avi'" in left_out
    assert "missing: 2" in summary.text


def test_missing_videos_of_another_suffix_are_told_and_numbers_have_no_nearest(
    minis: dict[str, Miniature],
) -> None:
    mini = minis["sthv2"]
    first, second = (line.split()[0] for line in mini.lists[None]["train"][:2])
    (mini.media / first).rename(mini.media / Path(first).with_suffix(".mp4"))
    (mini.media / second).rename(mini.media / "99999.webm")
    told = run(mini).problems["missing"]
    assert told[0].endswith(f"; expected .webm: {Path(first).stem}.mp4 is there")
    assert "nearest" not in "".join(told)


def test_frame_folders_with_holes_are_left_out(minis: dict[str, Miniature]) -> None:
    mini = minis["sthv1"]
    lines = mini.lists[None]["train"]
    folders = [mini.media / line.split()[0] for line in lines]
    (folders[0] / "00003.jpg").unlink()
    (folders[1] / "00002.jpg").write_bytes(b"")
    shutil.rmtree(folders[2])
    for path in folders[3].iterdir():
        path.unlink()
    last = sorted(folders[4].iterdir())[-1]
    last.write_bytes(b"")
    for path in folders[5].iterdir():
        path.write_bytes(b"")
    summary = run(mini)
    assert listed(summary, "train.txt") == lines[6:]
    assert counts(summary.problems) == {"incomplete": 3, "missing": 1, "empty": 2}
    assert "00003.jpg" in summary.problems["incomplete"][0]
    assert f"missing or empty, first {last.name}" in summary.problems["incomplete"][2]


def test_missing_videos_are_refused_where_asked_and_where_none_is_left(
    minis: dict[str, Miniature],
) -> None:
    error = refused(minis["kinetics400"], strict=True)
    assert counts(error.problems) == {"missing": 2}
    assert "missing: 2" in str(error)
    minis["hmdb51"].media = minis["hmdb51"].annotations
    assert len(refused(minis["hmdb51"]).problems["nothing left"]) == 2


def test_a_damaged_class_file_is_named_and_a_lost_one_shifts_no_labels(
    minis: dict[str, Miniature],
) -> None:
    path = minis["hmdb51"].annotations / "catch_test_split1.txt"
    path.write_bytes(path.read_bytes() + "Torwächter.avi 1\n".encode("latin1"))
    with pytest.raises(ValueError, match=r"catch_test_split1.txt:6: not UTF-8: byte 0xe4"):
        run(minis["hmdb51"])
    (minis["hmdb51"].annotations / "cartwheel_test_split2.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"cartwheel_test_split2\.txt"):
        run(minis["hmdb51"], split=2)


STH1, STH2 = "something-something-v1-", "something-something-v2-"
MAKEUP = "ApplyEyeMakeup/v_ApplyEyeMakeup_g0"


@pytest.mark.parametrize(
    ("dataset", "file", "old", "new", "kind", "told"),
    [
        ("sthv1", f"{STH1}train.csv", "Holding", "Hoding", "misspelled label", "'Holding so"),
        ("sthv2", f"{STH2}train.json", "Approa", "Aproa", "misspelled label", "'Approaching"),
        ("kinetics400", "validate.csv", "seiling,", "seilling,", "misspelled label", "'abseiling'"),
        ("ucf101", "testlist01.txt", "Handst", "HandSt", "misspelled label", "'HandstandPushups'"),
        ("sthv1", f"{STH1}validation.csv", ";", ",", "malformed line", "expected 'id;label text'"),
        ("sthv2", f"{STH2}train.json", '"templ', '"tampl', "malformed line", "'template'"),
        ("kinetics400", "train.csv", "abseiling,", "abseiling;", "malformed line", "youtube_id"),
        ("ucf101", "trainlist01.txt", ".avi 1", ".avi", "malformed line", "video.avi number'"),
        ("hmdb51", "catch_test_split1.txt", ".avi 1", ".avi 3", "malformed line", "0|1|2"),
        ("ucf101", "trainlist01.txt", ".avi 1", ".avi 2", "conflicting label", "is class 0"),
        ("sthv1", f"{STH1}train.csv", "92299;", "100218;", "conflicting label", "train.csv:1 with"),
        (
            "ucf101",
            "testlist01.txt",
            f"{MAKEUP}1",
            f"{MAKEUP}2",
            "in train and val",
            "list01.txt:1",
        ),
    ],
)
def test_an_entry_that_contradicts_is_refused_and_named(
    minis: dict[str, Miniature], dataset: str, file: str, old: str, new: str, kind: str, told: str
) -> None:
    path = minis[dataset].annotations / file
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())
    (problem,) = refused(minis[dataset]).problems[kind]
    assert problem.startswith(file)
    assert told in problem


def test_a_misspelled_class_in_the_kinetics_training_file_is_one_class_too_many(
    minis: dict[str, Miniature],
) -> None:
    names = [f"class {number:03}" for number in range(400)]
    rows = [f"{name},id{index:09},0,10,train" for index, name in enumerate(names * 2)]
    rows.append("clas 007,idzzzzzzzzz,0,10,train")
    header = "label,youtube_id,time_start,time_end,split"
    (minis["kinetics400"].annotations / "train.csv").write_text("\n".join([header, *rows]))
    (problem,) = refused(minis["kinetics400"]).problems["too many classes"]
    assert "401 instead of 400" in problem
    assert "'clas 007'; nearest: 'class 007'" in problem


DOUBLED = {
    "sthv1": f"{STH1}train.csv",
    "sthv2": f"{STH2}train.json",
    "kinetics400": "train.csv",
    "ucf101": "trainlist01.txt",
    "hmdb51": "brush_hair_test_split1.txt",
}


@pytest.mark.parametrize("dataset", DOUBLED)
def test_a_duplicate_is_kept_once_and_named(minis: dict[str, Miniature], dataset: str) -> None:
    mini = minis[dataset]
    path = mini.annotations / DOUBLED[dataset]
    if path.suffix == ".json":
        entries = json.loads(path.read_text())
        path.write_text(json.dumps([*entries, *entries[:2]]))
        place = f"{path.name}[{len(entries)}]"
    else:
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines, lines[1], lines[1]]))
        place = f"{path.name}:{len(lines) + 1}"
    summary = run(mini)
    assert len(summary.problems["duplicate"]) == 2
    assert place in summary.problems["duplicate"][0]
    split = next(iter(mini.lists))
    assert listed(summary, list_name("train", split)) == mini.lists[split]["train"]


@pytest.mark.parametrize("folders", ["flat", "spaces"])
def test_kinetics_folders(tmp_path: Path, folders: str) -> None:
    mini = make_kinetics400(tmp_path, folders)
    if folders == "spaces":
        error = refused(mini)
        assert error.problems["delimiter in name"]
        assert "delimiter=','" in str(error)
    summary = run(mini, delimiter=",")
    for subset, lines in mini.lists[None].items():
        assert listed(summary, f"{subset}.txt") == [",".join(line.rsplit(" ", 1)) for line in lines]


def test_of_kinetics_copies_a_replacement_with_content_is_taken(tmp_path: Path) -> None:
    mini = make_kinetics400(tmp_path, "flat")
    lines = mini.lists[None]["train"]
    replaced, empty = (line.split()[0] for line in lines[:2])
    deep = mini.media / "k400" / "train" / "class" / "part"
    for folder in (deep, mini.media / "k400" / "replacement" / "class"):
        folder.mkdir(parents=True)
        shutil.copy(mini.media / replaced, folder)
    shutil.move(mini.media / empty, deep)
    (mini.media / empty).touch()
    (mini.media / "k400" / "replacement" / empty).touch()
    expected = [f"k400/replacement/class/{lines[0]}", f"k400/train/class/part/{lines[1]}"]
    assert listed(run(mini), "train.txt") == [*expected, *lines[2:]]


def test_given_classes_set_the_numbers(minis: dict[str, Miniature], tmp_path: Path) -> None:
    mini = minis["kinetics400"]
    names = tmp_path / "names.txt"
    names.write_text("\n".join(["aerobics", *mini.classes]))
    shifted = [int(line.split()[1]) for line in listed(run(mini, classes=names), "val.txt")]
    assert shifted == [int(line.split()[1]) + 1 for line in mini.lists[None]["val"]]


def test_a_failing_write_leaves_the_former_lists(
    minis: dict[str, Miniature], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk in the middle: the lists of before stand, no temporary file stays."""
    mini = minis["ucf101"]
    run(mini)
    before = {path: path.read_text() for path in (mini.media.parent / "out").iterdir()}
    (mini.media / "YoYo/v_YoYo_g02_c01.avi").unlink()
    calls = []

    def full_disk(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        run(mini)
    assert {path: path.read_text() for path in (mini.media.parent / "out").iterdir()} == before


SCRAPS = rb'|0|1|-1|;|,|"|/|../|[|{|[]|null|nan|inf|\ud800'.split(b"|")
SCRAPS += [b"\n", b"\r", b" ", b"\t", b"\0", b"\xff", b"\xef\xbb\xbf", b"9" * 30, b"x" * 300]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_official_files_are_refused_or_read_never_worse(
    originals: dict[str, Miniature], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever is put in the place of some bytes: lists, or a ValueError and nothing written."""
    mini = originals[data.draw(st.sampled_from(sorted(MAKERS)))]
    root = tmp_path_factory.mktemp("damaged")
    annotations = shutil.copytree(mini.annotations, root / "annotations")
    path = data.draw(st.sampled_from(sorted(annotations.iterdir())))
    raw = path.read_bytes()
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 40)))
    path.write_bytes(raw[:start] + data.draw(st.sampled_from(SCRAPS)) + raw[end:])
    try:
        summary = prepare(mini.dataset, annotations, mini.media, root / "out")
    except (ValueError, FileNotFoundError):
        assert not (root / "out").exists()
    else:
        assert all(summary.counts.values())
    shutil.rmtree(root)


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        ("kinetics700", {}, "expected one of sthv1"),
        ("sthv1", {"split": 1}, "one split only"),
        ("ucf101", {"split": 4}, r"splits \(1, 2, 3\), got 4"),
        ("sthv1", {"delimiter": ","}, "no delimiter option"),
        ("ucf101", {"delimiter": ""}, "one character"),
    ],
)
def test_arguments(tmp_path: Path, dataset: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(dataset, tmp_path, tmp_path, tmp_path / "out", **options)


def test_the_command(originals: dict[str, Miniature], tmp_path: Path, run_tool: Callable) -> None:
    """Exit codes: 0 done, 1 refused, 2 usage; `--report` also where refused."""

    def command(dataset: str, *extra: object, code: int = 0) -> str:
        mini = originals[dataset]
        folders = ("--annotations", mini.annotations, "--media", mini.media, "--out", "lists")
        return run_tool("data/prepare.py", dataset, *folders, *extra, code=code)

    assert "4 of 4 annotated videos" in command("sthv2")
    command("kinetics400", "--strict", "--report", "new/problems.txt", code=1)
    assert len((tmp_path / "new/problems.txt").read_text().splitlines()) == 2
    assert "one split only" in command("sthv1", "--split", 2, code=2)
