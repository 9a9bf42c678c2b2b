"""The first command of a newcomer, before the data is there."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import missing_files as missing_files_tool
import pytest
from missing_files import missing_files, require_files
from mmengine.config import Config
from tiny_run import ROOT, write_config

# The main config of each dataset for which there is a base file.
SHIPPED = {
    base.stem: path
    for base in sorted(ROOT.glob("configs/_base_/datasets/*.py"))
    for path in ROOT.glob(f"configs/recognition/f4d/f4d_r??_{base.stem}.py")
}


@pytest.fixture
def config(benchmark: Path, tmp_path: Path) -> Config:
    return Config.fromfile(write_config(tmp_path / "config", benchmark))


def the_sentence(output: str) -> str:
    (said,) = (line for line in output.splitlines() if "Warning" not in line)
    return said


@pytest.mark.parametrize("tool", ["dist_train.sh", "dist_test.sh"])
def test_one_sentence_of_one_process(
    tool: str, root: Path, subprocess_env: dict, tmp_path: Path
) -> None:
    (tmp_path / "some.pth").touch()
    arguments = ["4"] if tool == "dist_train.sh" else ["some.pth", "4"]
    done = subprocess.run(
        ["bash", root / "tools" / tool, SHIPPED["sthv1"], *arguments],
        env=subprocess_env, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{tmp_path}/data/sthv1/" in the_sentence(done.stdout + done.stderr)


@pytest.mark.parametrize("tool", ["train.py", "test.py"])
@pytest.mark.parametrize("dataset", SHIPPED)
def test_missing_dataset_is_named_with_its_command_and_page(
    dataset: str, tool: str, tmp_path: Path, run_tool: Callable
) -> None:
    (tmp_path / "some.pth").touch()
    arguments = ["some.pth"] if tool == "test.py" else []
    said = the_sentence(run_tool(tool, SHIPPED[dataset], *arguments, code=1))
    assert f"annotation list {tmp_path}/data/{dataset}/" in said
    assert f"of {tool[:-3]}_dataloader is missing" in said
    if dataset == "phase_order":
        assert "python tools/data/make_benchmark.py data/phase_order" in said
    else:
        assert "docs/datasets.md" in said
        assert "tools/data/prepare.py" in said


def test_all_there_is_silence(config: Config) -> None:
    assert list(missing_files(config, ["train", "val"])) == []


def test_each_missing_thing_is_named(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = config.train_dataloader.dataset
    dataset.data_prefix = dict(video=str(tmp_path))
    (found,) = missing_files(config, ["train"])
    first = Path(dataset.ann_file).read_text().split()[0]
    assert found.startswith(f"video {tmp_path / first} of {dataset.ann_file} of train_dataloader")
    dataset.data_prefix = dict(video=str(tmp_path / "videos"))
    (found,) = missing_files(config, ["train"])
    assert found.startswith(f"folder {tmp_path / 'videos'} of train_dataloader is missing")
    assert "make_benchmark.py" in found or "docs/datasets.md" in found
    config.load_from = str(tmp_path / "weights.pth")
    assert "load_from" in list(missing_files(config, ["train"]))[-1]
    monkeypatch.setattr(missing_files_tool, "WAIT", 0.0)
    for variable, launcher, error in (  # the first process of each machine says it
        ("LOCAL_RANK", "pytorch", SystemExit),
        ("SLURM_LOCALID", "slurm", SystemExit),
        ("SLURM_LOCALID", "none", FileNotFoundError),
        ("RANK", "pytorch", FileNotFoundError),
        ("SLURM_PROCID", "slurm", FileNotFoundError),
    ):
        config.launcher = launcher
        with monkeypatch.context() as patch:
            patch.setenv(variable, "1")
            with pytest.raises(error):
                require_files(config, ["train"])


def test_weights_may_lie_at_home(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    config.load_from = "~/weights.pth"
    (found,) = missing_files(config, ["train"])
    assert found.startswith("load_from ~/weights.pth is missing")
    (tmp_path / "weights.pth").touch()
    assert list(missing_files(config, ["train"])) == []


def test_what_the_host_reads_is_not_missing(config: Config, tmp_path: Path) -> None:
    dataset = config.train_dataloader.dataset
    rows = Path(dataset.ann_file).read_text()
    names = tmp_path / "names.txt"
    names.write_text(rows.replace(".mp4", ""))
    own, pickled = tmp_path / "own.json", tmp_path / "own.pkl"
    own.write_text('{"metainfo": {}, "data_list": []}')
    pickled.write_bytes(b"\x80\x02\xc8")
    bucket, folder = dict(img="s3://bucket/frames"), dataset.data_prefix.video
    for given in (
        dict(ann_file=str(names)),
        dict(ann_file=str(own), type="MyDataset"),
        dict(ann_file=str(pickled), type="MyDataset"),
        dict(ann_file=str(names), type="RawframeDataset", data_prefix=bucket),
        dict(data_prefix=dict(video=None)),
    ):
        config.train_dataloader.dataset = {**dataset, **given}
        assert list(missing_files(config, ["train"])) == [], given
    config.train_dataloader.dataset = dict(  # videos where folders of frames should be
        type="RawframeDataset", ann_file=str(names), data_prefix=dict(img=folder)
    )
    assert len(list(missing_files(config, ["train"]))) == 1


def test_a_list_of_another_encoding_is_named(config: Config, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"tir\xe9.mp4 0\n")
    config.train_dataloader.dataset.update(data_root="", ann_file=str(tmp_path / "list.txt"))
    (said,) = missing_files(config, ["train"])
    assert f"list {tmp_path}/list.txt of train_dataloader is not UTF-8" in said


def test_a_name_of_weights_is_no_file(config: Config) -> None:
    config.model.backbone.pretrained = "ViT-B/16"  # as UniFormerV2 of the host has it
    assert not list(missing_files(config, ["train"]))
    config.load_from = "work_dirs/gone"
    (said,) = missing_files(config, ["train"])
    assert said.startswith("load_from work_dirs/gone is missing")


def test_weights_without_a_network(config: Config) -> None:
    config.model.backbone.pretrained = "https://localhost:1/resnet50.pth"
    (found,) = missing_files(config, ["train"])
    assert found.startswith("model.backbone.pretrained https://localhost:1/resnet50.pth cannot be")
    assert "checkpoints/resnet50.pth" in found
