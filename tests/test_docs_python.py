"""Python of the pages: each block does what its page says, as it is printed or on smaller data."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmaction.registry import DATASETS, HOOKS, MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import Compose
from pages import PAGES, ROOT, block, python_of
from tiny_run import write_config

from f4d_mmaction.apis import stream_frames

PHASE_ORDER = ROOT / "configs/recognition/f4d/f4d_r18_phase_order.py"


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Config]:
    """Load a config that lies beside those of ``configs/recognition/f4d``."""

    def load(code: str) -> Config:
        shutil.copytree(ROOT / "configs", tmp_path / "configs")
        path = tmp_path / "configs/recognition/f4d/own.py"
        path.write_text(code)
        return Config.fromfile(path)

    return load


def test_every_block_is_run() -> None:
    tests = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    run = {block(*named) for named in re.findall(r'block\("(.+?)", "(.+?)"\)', tests)}
    assert len(run) > 10
    assert not [(page, code) for page in PAGES for code in python_of(page) if code not in run]


def test_readme_features() -> None:
    """At its sizes in units and frames, with fewer pixels."""
    names: dict = {}
    exec(block("README.md", "videos").replace("224, 224", "32, 32"), names)
    assert names["features"].shape[:3] == (2, 2048, 10 * 2)


def test_readme_config(load: Callable) -> None:
    model = MODELS.build(load(block("README.md", "Recognizer3D")).model).eval()
    videos = torch.randn(1, 1, 3, 3, 2, 32, 32)  # batch, views, U, C, T, H, W
    (found,) = model(videos, [ActionDataSample()], mode="predict")
    assert found.pred_score.shape == (174,)
    assert found.pred_score.sum().item() == pytest.approx(1, abs=1e-5)


def test_one_block_after_conv4(load: Callable) -> None:
    config = load(block("docs/getting_started.md", "placement"))
    assert list(MODELS.build(config.model.backbone).blocks4d) == ["layer3_5"]


def test_training_on_six_units(benchmark: Path, tmp_path: Path) -> None:
    six = block("docs/getting_started.md", "num_units = 6")
    config = Config.fromfile(write_config(tmp_path, benchmark, six))
    loaders = config.train_dataloader, config.val_dataloader
    units = [DATASETS.build(loader.dataset)[0]["inputs"].shape[1] for loader in loaders]
    assert units == [6, 4]


def test_old_names_go_on_working() -> None:
    """The host's helpers compose with blocks and attention built from configs."""
    names: dict = {}
    exec(block("docs/public.md", "deprecated_api_warning"), names)
    try:
        old = dict(type="FrameAttention", width=3)
        with pytest.warns(DeprecationWarning, match='"width" is deprecated in `FrameAttention'):
            network = MODELS.build(dict(type="F4DBlock", channels=8, attention=[old]))
        assert network.attention["FrameAttention"].weigh[0].out_channels == 3
        with pytest.raises(TypeError, match="wide"):
            MODELS.build(dict(type="F4DBlock", channels=8, attention=[dict(old, wide=3)]))
    finally:
        MODELS.module_dict.pop("FrameAttention")
    assert "removed in version 2.0" in names["frame_attention"].__doc__
    assert names["frame_attention"](8).weigh[0].in_channels == 8


def test_recognizing(
    benchmark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, video in zip(("a.mp4", "b.mp4"), sorted(benchmark.rglob("*.mp4"))):
        shutil.copy(video, name)
    network = MODELS.build(Config.fromfile(PHASE_ORDER).model)
    torch.save(dict(state_dict=network.state_dict()), "saved.pth")
    names = dict(config=PHASE_ORDER, checkpoint="saved.pth")
    exec(block("docs/inference.md", "load_recognizer"), names)
    assert capsys.readouterr().out.count("Prediction(label=") == 2
    maps = names["result"].maps["layer2_1"]
    assert maps["TemporalAttention"].shape == (4, 1, 4, 1, 1)
    assert maps["SpatioTemporalAttention"].shape[:3] == (4, 1, 4)
    assert names["result"].frames.shape == (4, 4, 64, 64, 3)


def test_joining_videos(benchmark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/phase_order").symlink_to(benchmark)
    exec(block("docs/inference.md", "long.mp4"), {})
    assert sum(1 for _ in stream_frames("long.mp4")) == 8 * 32


def test_reading_bad_videos(benchmark: Path) -> None:
    names: dict = {}
    exec(block("docs/reliability.md", "time_limit"), names)
    init, _, decode, _ = names["pipeline"]
    sample = dict(type="SampleActionUnits", num_units=4, clip_len=2)
    packing = dict(type="FormatActionUnits"), dict(type="PackActionInputs")
    video = str(next(benchmark.rglob("*.mp4")))
    found = Compose([init, sample, decode, *packing])(dict(filename=video, label=0, start_index=0))
    assert found["inputs"].shape == (1, 4, 3, 2, 32, 32)
    hook = HOOKS.build(names["default_hooks"]["bad_video"])
    assert (hook.max_share, hook.test) == (0.1, "stop")


def test_a_config_for_ones_own_data(benchmark: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "videos").symlink_to(benchmark)
    (mine / "classes.txt").write_text("a\nb\nc\n")
    video = next(benchmark.rglob("*.mp4")).relative_to(benchmark)
    for name in ("train", "val", "test"):
        (mine / f"{name}.txt").write_text(f"{video} 2\n")
    code = block("docs/your_own_data.md", "small_videos")
    own = tmp_path / "own.py"
    own.write_text(
        code.replace("/home/me/f4d_mmaction", f"{ROOT}").replace("/home/me/data/mine", f"{mine}")
    )
    config = Config.fromfile(own)
    model = MODELS.build(config.model)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        dataset = DATASETS.build(loader.dataset)
        packed = dataset[0]
        assert packed["data_samples"].gt_label == 2
        assert dataset.metainfo["classes"] == ["a", "b", "c"]
        batch = dict(inputs=[packed["inputs"]], data_samples=[packed["data_samples"]])
        assert model.eval().test_step(batch)[0].pred_score.shape == (3,)


@pytest.mark.slow
def test_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, in a kernel of its own; what it trains reads the order of units."""
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "demo/f4d_tutorial.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "stored without outputs"
    NotebookClient(notebook, resources=dict(metadata=dict(path=str(tmp_path)))).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(output.get("text", "") for output in outputs)
    forward, reverse = re.findall(r"(\d+)% the true class, (\d+)% its reverse", said)
    assert int(forward[0]) > 60
    assert int(reverse[1]) > 60
    shown = [output.get("data", {}) for output in outputs]
    assert sum("image/png" in data for data in shown) == 3
    assert any(data.get("text/plain", "").endswith("True)") for data in shown), "MMAction2 agrees"
