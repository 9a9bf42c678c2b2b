"""The command says what a check found, beside the published counts."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from miniature import config_of, make_hmdb51, make_sthv1, video_dataset, write_video
from preparation import prepare

TOOL = Path(__file__).parents[3] / "tools" / "data" / "check.py"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, dict]]:
    """Run the tool on datasets; its exit code and report."""

    def run(*options: str, **datasets: dict) -> tuple[int, dict]:
        config_of(**datasets).dump(tmp_path / "config.py")
        arguments = [TOOL, tmp_path / "config.py", "--out", tmp_path / "out", *options]
        monkeypatch.setattr("sys.argv", [str(argument) for argument in arguments])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(TOOL), run_name="__main__")
        return caught.value.code, json.loads((tmp_path / "out" / "report.json").read_text())

    return run


def test_exit_codes_and_files(
    tmp_path: Path, command: Callable, capsys: pytest.CaptureFixture
) -> None:
    write_video(tmp_path / "a.webm", 20)
    train = video_dataset(tmp_path, ["a.webm 0"])
    code, report = command("--all", "--workers", "1", train=train)
    assert (code, report["ok"]) == (0, True)
    assert report["subsets"][0]["frames"]["median"] == 20
    assert (tmp_path / "out" / "durations.png").read_bytes().startswith(b"\x89PNG")
    text = capsys.readouterr().out
    assert "verdict: fine" in text
    assert "decoded: 1 of 1" in text
    (tmp_path / "a.webm").unlink()
    code, report = command(train=train)
    assert (code, report["ok"]) == (1, False)
    assert [finding["kind"] for finding in report["subsets"][0]["findings"]] == ["missing"]
    assert "ERROR missing: 1" in capsys.readouterr().out
    assert command("--split", "test", train=train)[0] == 2
    assert command("--workers", "0", train=train)[0] == 2


def test_a_prepared_miniature_differs_in_its_count_alone(tmp_path: Path, command: Callable) -> None:
    root = tmp_path / "sthv1"
    mini = make_sthv1(root)
    prepare("sthv1", mini.annotations, mini.media, root)
    dataset = dict(type="RawframeDataset", data_root=str(root), filename_tmpl="{:05}.jpg")
    dataset["data_prefix"] = dict(img="rawframes")
    datasets = {name: dict(dataset, ann_file=f"{name}.txt") for name in ("train", "val")}
    code, report = command("--all", num_classes=6, **datasets)
    assert code == 1
    for subset in report["subsets"]:
        lines = mini.lists[None][subset["subset"]]
        assert [finding["kind"] for finding in subset["findings"]] == ["count differs"]
        assert subset["decoded"] == subset["entries"] == len(lines)
        assert subset["frames"]["max"] == max(int(line.split()[1]) for line in lines)


def test_counts_against_the_published_ones(
    tmp_path: Path, command: Callable, capsys: pytest.CaptureFixture
) -> None:
    root = tmp_path / "hmdb51"
    mini = make_hmdb51(root)
    prepare("hmdb51", mini.annotations, mini.media, root, split=2)
    path = root / "val_split2.txt"
    prefix = dict(video=str(mini.media))
    dataset = dict(type="VideoDataset", ann_file=str(path), data_prefix=prefix)
    code, report = command(val=dataset)
    assert code == 1
    assert report["subsets"][0]["published"] == 1530
    assert "3 entries, published: 1,530" in capsys.readouterr().out
    kinetics = path.rename(path.with_name("kinetics400_val_list_videos.txt"))
    code, report = command(val=dict(dataset, ann_file=str(kinetics)))
    assert code == 0, "no copy of Kinetics is complete"
    assert [finding["kind"] for finding in report["subsets"][0]["findings"]] == ["count differs"]
