"""The command says what a check found, beside the published counts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from dataset_facts import DATASETS, list_name
from miniature import MAKERS, config_of, video_dataset, write_video
from preparation import prepare


@pytest.fixture
def command(tmp_path: Path, run_tool: Callable) -> Callable[..., tuple[str, dict]]:
    """Run the tool on datasets; what it says, and its report."""

    def run(*options: object, code: int = 0, **datasets: dict) -> tuple[str, dict]:
        config_of(**datasets).dump(tmp_path / "config.py")
        said = run_tool("data/check.py", "config.py", "--out", "out", *options, code=code)
        return said, json.loads((tmp_path / "out" / "report.json").read_text())

    return run


def test_exit_codes_and_files(tmp_path: Path, command: Callable) -> None:
    write_video(tmp_path / "a.webm", 20)
    train = video_dataset(tmp_path, ["a.webm 0"])
    train["pipeline"] = [dict(type="InstalledElsewhere")]  # nothing of it is built
    text, report = command("--all", "--workers", 1, train=train)
    assert report["ok"]
    assert report["subsets"][0]["frames"]["median"] == 20
    assert (tmp_path / "out" / "durations.png").read_bytes().startswith(b"\x89PNG")
    assert "verdict: fine" in text
    assert "decoded: 1 of 1" in text
    (tmp_path / "a.webm").unlink()
    text, report = command(train=train, code=1)
    assert not report["ok"]
    assert [finding["kind"] for finding in report["subsets"][0]["findings"]] == ["missing"]
    assert "ERROR missing: 1" in text
    command("--split", "test", train=train, code=2)
    command("--workers", 0, train=train, code=2)


@pytest.mark.parametrize("dataset", ["sthv1", "kinetics400", "hmdb51"])
def test_a_prepared_miniature_differs_in_its_count_alone(
    dataset: str, tmp_path: Path, command: Callable
) -> None:
    root, facts = tmp_path / dataset, DATASETS[dataset]
    mini = MAKERS[dataset](root)
    prepare(dataset, mini.annotations, mini.media, root)
    split, counts = next(iter(facts.counts.items()))
    config = dict(type="VideoDataset", data_prefix=dict(video=str(mini.media)))
    if dataset == "sthv1":
        config = dict(type="RawframeDataset", data_prefix=dict(img=str(mini.media)))
        config["filename_tmpl"] = "{:05}.jpg"
    lists = {name: str(root / list_name(name, split)) for name in counts}
    loaders = {name: dict(config, ann_file=path) for name, path in lists.items()}
    code = 0 if dataset == "kinetics400" else 1  # no two copies of Kinetics are alike
    text, report = command("--all", num_classes=6, code=code, **loaders)
    for subset in report["subsets"]:
        lines = mini.lists[split][subset["subset"]]
        assert [finding["kind"] for finding in subset["findings"]] == ["count differs"]
        assert subset["decoded"] == subset["entries"] == len(lines)
        assert subset["published"] == counts[subset["subset"]]
        assert f"{len(lines)} entries, published: {subset['published']:,}" in text
        if dataset == "sthv1":
            assert subset["frames"]["max"] == max(int(line.split()[1]) for line in lines)
