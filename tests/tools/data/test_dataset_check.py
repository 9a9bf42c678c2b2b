"""On sound media a check finds nothing, on damaged ones each of them."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import dataset_check
import pytest
from dataset_check import SubsetReport, Video, check
from miniature import config_of, rawframe_dataset, video_dataset, write_frames, write_video


def kinds(report: SubsetReport) -> dict[str, int]:
    return Counter(finding.kind for finding in report.findings)


@pytest.mark.parametrize("extension", [".avi", ".mp4", ".webm"])
def test_every_bad_video_is_named(tmp_path: Path, extension: str) -> None:
    names = ["good", "truncated", "garbage", "empty", "missing"]
    for name in names[:2]:
        write_video(tmp_path / f"{name}{extension}", 60)
    truncated = tmp_path / f"truncated{extension}"
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size * 6 // 10])
    (tmp_path / f"garbage{extension}").write_bytes(bytes(range(256)) * 20)
    (tmp_path / f"empty{extension}").touch()
    dataset = video_dataset(tmp_path, [f"{name}{extension} 0" for name in names])
    (report,) = check(config_of(test=dataset), sample=None)
    assert not report.ok
    assert kinds(report) == {"empty file": 1, "missing": 1, "not decodable": 2}
    named = {Path(finding.where).stem for finding in report.findings}
    assert named == set(names[1:])


def test_every_bad_frame_folder_is_named(tmp_path: Path) -> None:
    for name in ("good", "hole", "more", "fewer", "cut", "other"):
        write_frames(tmp_path / name, 10)
    (tmp_path / "hole" / "00004.jpg").unlink()
    image = tmp_path / "cut" / "00007.jpg"
    image.write_bytes(image.read_bytes()[:-200])
    for path in (tmp_path / "other").iterdir():
        path.rename(path.with_name(f"img_{path.name}"))
    frames = {"good": 10, "hole": 10, "more": 8, "fewer": 12, "cut": 10, "other": 10, "gone": 10}
    dataset = rawframe_dataset(tmp_path, [f"{name} {count} 0" for name, count in frames.items()])
    (report,) = check(config_of(train=dataset), sample=None)
    found = {Path(f.where).name: (f.kind, f.message) for f in report.findings}
    assert {name: kind for name, (kind, _) in found.items()} == {
        "hole": "missing frames",
        "fewer": "missing frames",
        "other": "missing frames",
        "more": "wrong frame count",
        "cut": "not decodable",
        "gone": "missing",
    }
    assert "first 00004.jpg" in found["hole"][1]
    assert "filename_tmpl" in found["other"][1]
    assert "00007.jpg" in found["cut"][1]


def decode_with_accidents(item: Video, decode=Video.decode) -> tuple[int, float]:
    """Decode, with a crash and a hang of the process itself where the name asks for it."""
    if Path(item.path).name == "crash.avi":
        os.kill(os.getpid(), signal.SIGSEGV)
    if Path(item.path).name == "hang.avi":
        time.sleep(600)
    return decode(item)


def test_a_crash_and_a_hang_of_the_decoder_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a.avi", "crash.avi", "hang.avi", "b.avi"]
    for name in names:
        write_video(tmp_path / name, 20)
    monkeypatch.setattr(Video, "decode", decode_with_accidents)
    dataset = video_dataset(tmp_path, [f"{name} 0" for name in names])
    (report,) = check(config_of(train=dataset), sample=None, time_limit=5.0)
    assert kinds(report) == {"crashes the decoder": 1, "hangs the decoder": 1}
    assert report.decoded == 2
    (crash,) = (found for found in report.findings if found.kind == "crashes the decoder")
    assert crash.where.endswith("crash.avi")
    assert "SIGSEGV" in crash.message


def test_faults_of_the_list_are_reported_with_file_and_line(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 20)
    dataset = video_dataset(tmp_path, ["a.mp4 0", "a.mp4\t0", "a.mp4 10"])
    (report,) = check(config_of(train=dataset))
    assert kinds(report) == {"no label": 1, "label out of range": 1, "tab": 1}
    assert f"{tmp_path / 'list.txt'}:2" in {finding.where for finding in report.findings}


def test_names_without_a_suffix_are_of_mp4_files(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 20)
    write_video(tmp_path / "other.mp4", 20, seed=1)
    (tmp_path / "other.mp4").rename(tmp_path / "b")
    (report,) = check(config_of(val=video_dataset(tmp_path, ["a 0", "b 1", "c 2"])))
    assert [(each.kind, each.where) for each in report.findings] == [
        ("missing", str(tmp_path / "c.mp4"))
    ]


def test_the_configs_delimiter_is_followed(tmp_path: Path) -> None:
    write_video(tmp_path / "air drumming" / "a.mp4", 20)
    lines = ["air drumming/a.mp4,3"]
    (report,) = check(config_of(val=video_dataset(tmp_path, lines, delimiter=",")))
    assert report.ok
    (report,) = check(config_of(val=video_dataset(tmp_path, lines)))
    assert not report.ok
    assert "set delimiter=',' in the config" in report.findings[0].message


def test_videos_of_training_and_missing_classes_are_told(tmp_path: Path) -> None:
    for name in "abc":
        write_video(tmp_path / f"{name}.mp4", 20)
    train = video_dataset(tmp_path, ["a.mp4 0", "b.mp4 1"])
    train["metainfo"] = dict(classes=["left", "right"])
    test = {**train, "ann_file": str(tmp_path / "test.txt")}
    (tmp_path / "test.txt").write_text("b.mp4 1\nc.mp4 0\n")
    reports = check(config_of(num_classes=2, train=train, test=test), ["test", "train"])
    assert [report.subset for report in reports] == ["train", "test"]
    assert [kinds(report) for report in reports] == [{}, {"also in train": 1}]
    assert reports[1].findings[0].where.endswith("b.mp4")
    (report,) = check(config_of(num_classes=2, train=train, test=test), ["test"])
    assert kinds(report) == {"also in train": 1}
    gone = {**train, "ann_file": str(tmp_path / "gone.txt")}
    for unread in (gone, {**train, "type": "Unknown"}, {**train, "modality": "Flow"}):
        (report,) = check(config_of(num_classes=2, train=unread, test=test), ["test"])
        assert kinds(report) == {}
    with pytest.raises(FileNotFoundError, match=r"gone\.txt"):
        check(config_of(num_classes=2, train=gone, test=test))
    (report,) = check(config_of(num_classes=8, train=train))
    assert kinds(report) == {"number of classes": 1}
    assert report.findings[0].message.startswith("2 names of classes")
    nowhere = {**train, "metainfo": dict(classes=str(tmp_path / "nowhere.txt"))}
    (report,) = check(config_of(num_classes=8, train=nowhere))
    assert [finding.message for finding in report.findings] == [f"no file {tmp_path}/nowhere.txt"]


def test_a_video_of_several_lists_is_decoded_once_when_all_lists_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, run = [], dataset_check.run_isolated

    def count(action: Callable, items: list, *options: object) -> Iterator:
        decoded.extend(items)
        return run(action, items, *options)

    monkeypatch.setattr(dataset_check, "run_isolated", count)
    for name in "ab":
        write_video(tmp_path / f"{name}.mp4", 20)
    (tmp_path / "c.mp4").write_bytes(b"no video")
    val = video_dataset(tmp_path, ["a.mp4 0", "c.mp4 0", "b.mp4 1"])
    gone = {**val, "ann_file": str(tmp_path / "gone.txt")}
    with pytest.raises(FileNotFoundError, match=r"gone\.txt"):
        check(config_of(val=val, test=gone))
    assert not decoded
    for report in check(config_of(val=val, test=val)):
        assert (report.decoded, kinds(report), report.frames) == (2, {"not decodable": 1}, [20, 20])
    assert sorted(Path(item.path).name for item in decoded) == ["a.mp4", "b.mp4", "c.mp4"]


def test_usage(tmp_path: Path) -> None:
    dataset = video_dataset(tmp_path, [])
    with pytest.raises(ValueError, match="no val dataloader; it has train"):
        check(config_of(train=dataset), ["val"])
    (report,) = check(config_of(train=dataset))
    assert kinds(report) == {"empty list": 1}
    with pytest.raises(FileNotFoundError, match=r"prepare\.py"):
        check(config_of(train={**dataset, "ann_file": str(tmp_path / "none.txt")}))


def test_what_wrappers_hold_is_checked(tmp_path: Path) -> None:
    write_frames(tmp_path / "a", 30)
    part = rawframe_dataset(tmp_path, ["a 30 0"])
    part["pipeline"] = [dict(type="SampleFrames", clip_len=8, num_clips=3)]
    joined = dict(type="ConcatDataset", datasets=[part, part])
    reports = check(config_of(train=dict(type="RepeatDataset", times=2, dataset=joined)))
    assert [(r.frames, r.decoded, r.sampler_span, r.ok) for r in reports] == [
        ([30], 1, 24, True)
    ] * 2


def test_sound_datasets_have_no_findings(tmp_path: Path) -> None:
    lengths = [10, 20, 40]
    for index, frames in enumerate(lengths):
        write_video(tmp_path / f"{index}.mp4", frames, fps=10)
        write_frames(tmp_path / str(index), frames)
    videos = video_dataset(tmp_path, [f"{index}.mp4 {index}" for index in range(3)])
    (report,) = check(config_of(num_classes=3, train=videos), sample=None)
    assert report.ok
    assert kinds(report) == {}
    assert sorted(report.frames) == lengths
    assert sorted(report.seconds) == [1.0, 2.0, 4.0]
    assert (report.sampler_span, report.shorter_than_span, report.decoded) == (16, 1, 3)

    lines = [f"{index} {frames} 0" for index, frames in enumerate(lengths)]
    (report,) = check(config_of(val=rawframe_dataset(tmp_path, lines)), sample=1)
    assert report.ok
    assert (report.frames, report.decoded, report.shorter_than_span) == (lengths, 1, 1)
