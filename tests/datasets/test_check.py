"""The look before a long run: on sound miniatures it finds nothing, on spoilt ones all of it."""

import json
import os
import runpy
import signal
import time
from pathlib import Path

import pytest
from miniature import make_hmdb51, make_sthv1, write_frames, write_video
from mmengine.config import Config

from f4d_mmaction.datasets import check as check_module
from f4d_mmaction.datasets.check import check
from f4d_mmaction.datasets.preparation import prepare
from f4d_mmaction.datasets.probing import probe_video

TOOL = Path(__file__).parents[2] / "tools" / "data" / "check.py"
SAMPLER = {"type": "SampleActionUnits", "num_units": 2, "clip_len": 4, "frame_interval": 2}


def config_of(num_classes: int = 10, sampler: dict = SAMPLER, **datasets: dict) -> Config:
    loaders = {
        f"{subset}_dataloader": {"dataset": {"pipeline": [sampler], **dataset}}
        for subset, dataset in datasets.items()
    }
    return Config({"model": {"cls_head": {"num_classes": num_classes}}, **loaders})


def videos(folder: Path, lines: list[str], **options) -> dict:
    path = folder / "list.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    prefix = {"video": str(folder)}
    return {"type": "VideoDataset", "ann_file": str(path), "data_prefix": prefix, **options}


def rawframes(folder: Path, lines: list[str], **options) -> dict:
    dataset = videos(folder, lines, filename_tmpl="{:05}.jpg", **options)
    return {**dataset, "type": "RawframeDataset", "data_prefix": {"img": str(folder)}}


def kinds(report) -> dict[str, int]:
    (subset,) = report.subsets
    return {kind: len(found) for kind, found in subset.kinds().items()}


def test_sound_videos(tmp_path):
    lengths = [10, 20, 40]
    for index, frames in enumerate(lengths):
        write_video(tmp_path / f"{index}.mp4", frames, fps=10)
    dataset = videos(tmp_path, [f"{index}.mp4 {index}" for index in range(3)])
    report = check(config_of(num_classes=3, train=dataset), sample=None)
    assert report.ok
    assert kinds(report) == {}
    (subset,) = report.subsets
    assert sorted(subset.frames) == lengths
    assert sorted(subset.seconds) == [1.0, 2.0, 4.0]
    assert (subset.span, subset.shorter_than_span, subset.decoded) == (16, 1, 3)


def test_sound_frames(tmp_path):
    for index in range(3):
        write_frames(tmp_path / str(index), 8 + 8 * index)
    dataset = rawframes(tmp_path, [f"{index} {8 + 8 * index} 0" for index in range(3)])
    report = check(config_of(val=dataset), sample=1)
    assert report.ok
    (subset,) = report.subsets
    assert (subset.frames, subset.decoded, subset.shorter_than_span) == ([8, 16, 24], 1, 1)


@pytest.mark.parametrize("extension", [".avi", ".mp4", ".webm"])
def test_every_bad_video_is_named(tmp_path, extension):
    names = ["good", "truncated", "garbage", "empty", "missing"]
    for name in names[:2]:
        write_video(tmp_path / f"{name}{extension}", 60)
    truncated = tmp_path / f"truncated{extension}"
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size * 6 // 10])
    (tmp_path / f"garbage{extension}").write_bytes(bytes(range(256)) * 20)
    (tmp_path / f"empty{extension}").touch()
    dataset = videos(tmp_path, [f"{name}{extension} 0" for name in names])
    report = check(config_of(test=dataset), sample=None)
    assert not report.ok
    assert kinds(report) == {"empty file": 1, "missing": 1, "not decodable": 2}
    named = {Path(finding.where).stem for finding in report.subsets[0].findings}
    assert named == set(names[1:])


def test_every_bad_frame_folder_is_named(tmp_path):
    for name in ("good", "hole", "more", "fewer", "cut", "other"):
        write_frames(tmp_path / name, 10)
    (tmp_path / "hole" / "00004.jpg").unlink()
    image = tmp_path / "cut" / "00007.jpg"
    image.write_bytes(image.read_bytes()[:-200])
    for path in (tmp_path / "other").iterdir():
        path.rename(path.with_name(f"img_{path.name}"))
    frames = {"good": 10, "hole": 10, "more": 8, "fewer": 12, "cut": 10, "other": 10, "gone": 10}
    dataset = rawframes(tmp_path, [f"{name} {count} 0" for name, count in frames.items()])
    report = check(config_of(train=dataset), sample=None)
    found = {Path(f.where).name: (f.kind, f.message) for f in report.subsets[0].findings}
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


def probe_with_accidents(item):
    """The real probe, with a crash and a hang of the process itself where the name asks for it."""
    if Path(item.path).name == "crash.avi":
        os.kill(os.getpid(), signal.SIGSEGV)
    if Path(item.path).name == "hang.avi":
        time.sleep(600)
    return probe_video(item.path)


def test_a_crash_and_a_hang_of_the_decoder_are_named(tmp_path, monkeypatch):
    names = ["a.avi", "crash.avi", "hang.avi", "b.avi"]
    for name in names:
        write_video(tmp_path / name, 20)
    monkeypatch.setattr(check_module, "_probe", probe_with_accidents)
    dataset = videos(tmp_path, [f"{name} 0" for name in names])
    report = check(config_of(train=dataset), sample=None, time_limit=5.0)
    assert kinds(report) == {"crashes the decoder": 1, "hangs the decoder": 1}
    assert report.subsets[0].decoded == 2
    assert "crash.avi" in report.text
    assert "SIGSEGV" in report.text


def test_faults_of_the_list_are_reported_with_file_and_line(tmp_path):
    write_video(tmp_path / "a.mp4", 20)
    dataset = videos(tmp_path, ["a.mp4 0", "a.mp4\t0", "a.mp4 10"])
    report = check(config_of(train=dataset))
    assert kinds(report) == {"no label": 1, "label out of range": 1, "tab": 1}
    assert f"{tmp_path / 'list.txt'}:2" in report.text


def test_the_configs_delimiter_is_followed(tmp_path):
    write_video(tmp_path / "air drumming" / "a.mp4", 20)
    lines = ["air drumming/a.mp4,3"]
    assert check(config_of(val=videos(tmp_path, lines, delimiter=","))).ok
    report = check(config_of(val=videos(tmp_path, lines)))
    assert not report.ok
    assert "set delimiter=',' in the config" in report.text


def test_counts_against_the_published_ones(tmp_path):
    mini = make_hmdb51(tmp_path / "hmdb51")
    prepare("hmdb51", mini.annotations, mini.media, tmp_path / "hmdb51", split=2)
    path = tmp_path / "hmdb51" / "val_split2.txt"
    prefix = {"video": str(mini.media)}
    dataset = {"type": "VideoDataset", "ann_file": str(path), "data_prefix": prefix}
    report = check(config_of(val=dataset))
    assert kinds(report) == {"count differs": 1}
    assert "3 entries, published: 1,530" in report.text
    kinetics = path.rename(path.with_name("kinetics400_val_list_videos.txt"))
    report = check(config_of(val={**dataset, "ann_file": str(kinetics)}))
    assert report.ok  # no copy of Kinetics is complete
    assert kinds(report) == {"count differs": 1}


def test_a_miniature_as_prepared_has_no_other_fault(tmp_path):
    root = tmp_path / "sthv1"
    mini = make_sthv1(root)
    prepare("sthv1", mini.annotations, mini.media, root)
    datasets = {
        subset: {
            "type": "RepeatDataset",
            "times": 2,
            "dataset": {
                "type": "RawframeDataset",
                "data_root": str(root),
                "ann_file": f"{subset}.txt",
                "data_prefix": {"img": "rawframes"},
                "filename_tmpl": "{:05}.jpg",
                "pipeline": [{"type": "SampleFrames", "clip_len": 8, "num_clips": 3}],
            },
        }
        for subset in ("train", "val")
    }
    report = check(config_of(num_classes=6, **datasets), sample=None)
    for subset in report.subsets:
        lines = mini.lists[None][subset.subset]
        assert list(subset.kinds()) == ["count differs"]
        assert subset.decoded == subset.entries == len(lines)
        assert subset.frames == [int(line.split()[1]) for line in lines]
        assert subset.span == 24


def test_usage(tmp_path):
    dataset = videos(tmp_path, [])
    with pytest.raises(ValueError, match="no val dataloader; it has train"):
        check(config_of(train=dataset), ["val"])
    assert kinds(check(config_of(train=dataset))) == {"empty list": 1}
    with pytest.raises(FileNotFoundError, match=r"prepare\.py"):
        check(config_of(train={**dataset, "ann_file": str(tmp_path / "none.txt")}))


def test_the_command(tmp_path, monkeypatch, capsys):
    """Exit codes 0, 1 and 2; report.json and the picture are written."""
    write_video(tmp_path / "a.webm", 20)
    config = config_of(train=videos(tmp_path, ["a.webm 0"]))
    config.dump(tmp_path / "config.py")

    def command(*extra: str) -> int:
        arguments = [TOOL, tmp_path / "config.py", "--out", tmp_path / "out", *extra]
        monkeypatch.setattr("sys.argv", [str(argument) for argument in arguments])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(TOOL), run_name="__main__")
        return caught.value.code

    assert command("--all", "--workers", "1") == 0
    assert "verdict: fine" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["ok"] is True
    assert content["subsets"][0]["frames"]["median"] == 20
    assert (tmp_path / "out" / "durations.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "a.webm").unlink()
    assert command() == 1
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [finding["kind"] for finding in content["subsets"][0]["findings"]] == ["missing"]
    assert command("--split", "test") == 2
    assert command("--workers", "0") == 2
