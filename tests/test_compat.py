"""The package on the host as shipped: imports, checkpoints, set-up errors."""

import base64
import hashlib
import importlib.util
import re
import sys
from collections.abc import Callable
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import mmcv
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.utils import digit_version

from f4d_mmaction import compat
from f4d_mmaction.models.weights import load_checked


@pytest.fixture(scope="module")
def config(root: Path) -> Path:
    return root / "configs/recognition/f4d/f4d_r18_phase_order.py"


@pytest.mark.parametrize(
    "first",
    ["import mmengine", "import mmaction", "import mmaction.apis"],
)
def test_config_alone_brings_the_package(first: str, config: Path, run_python: Callable) -> None:
    """custom_imports does the rest, from any working directory."""
    if "mmaction" in first and digit_version(mmcv.__version__) >= digit_version("2.2"):
        pytest.skip("MMAction2 refuses this mmcv unless this package is imported first")
    code = f"""{first}
from mmengine.config import Config
from mmengine.registry import init_default_scope
cfg = Config.fromfile(r"{config}")
init_default_scope(cfg.default_scope)
from mmaction.registry import MODELS
print(type(MODELS.build(cfg.model).backbone).__name__)
"""
    done = run_python("-c", code)
    assert done.stdout.strip() == "ResNet4d", done.stderr


@pytest.mark.end_to_end
def test_config_trains_validates_and_tests_with_mmengine_alone(
    config: Path, benchmark: Path, run_python: Callable, tmp_path: Path
) -> None:
    script = f"""
from mmengine.config import Config
from mmengine.runner import Runner
cfg = Config.fromfile(r"{config}")
cfg.work_dir, cfg.train_cfg.max_epochs = r"{tmp_path}", 1
for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
    name = loader.dataset.ann_file.rpartition("/")[2]
    loader.dataset.update(ann_file=r"{benchmark}/" + name, data_prefix=dict(video=r"{benchmark}"))
runner = Runner.from_cfg(cfg)
runner.train()
print("TESTED", runner.test()["acc/top1"])
"""
    done = run_python("-c", script)
    assert "TESTED" in done.stdout, done.stderr[-2000:]
    assert (tmp_path / "epoch_1.pth").is_file()


def test_missing_package_is_named_by_the_config(
    config: Path, run_python: Callable, tmp_path: Path
) -> None:
    (tmp_path / "f4d_mmaction.py").write_text("raise ImportError('not installed')")
    code = f"from mmengine.config import Config; Config.fromfile(r'{config}')"
    done = run_python("-c", code, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    told = "ImportError: Failed to import custom modules from {'imports': ['f4d_mmaction']"
    assert told in done.stderr


@pytest.mark.parametrize(
    ("mmcv", "message"),
    [("raise ImportError('no mmcv')", "needs mmcv"), ("__version__ = '2.4.0'", "found 2.4.0")],
)
def test_mmcv_missing_or_out_of_range_says_what_to_install(
    mmcv: str, message: str, run_python: Callable, tmp_path: Path
) -> None:
    (tmp_path / "mmcv.py").write_text(mmcv)  # `-c` looks in the working directory first
    said = run_python("-c", "import f4d_mmaction").stderr.splitlines()[-1]
    assert message in said
    assert 'pip install "mmcv-lite' in said


@pytest.mark.parametrize("module", ["mmengine", "mmcv"])
def test_nothing_overwrites_the_installed_host(module: str) -> None:
    """mmcv, mmcv-lite and the forks install the same modules: one of them may be there."""
    (name,) = packages_distributions()[module]
    for path in distribution(name).files:
        if path.hash and path.suffix == ".py":
            digest = hashlib.new(path.hash.mode, path.locate().read_bytes()).digest()
            assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == path.hash.value, path


def test_mmcv_that_mmaction_refuses_runs(run_python: Callable) -> None:
    code = "import mmcv; mmcv.__version__ = '2.3.6'; import {}; print(mmcv.__version__)"
    assert "incompatible" in run_python("-c", code.format("mmaction")).stderr
    done = run_python("-c", code.format("f4d_mmaction, mmaction.models"))
    assert done.stdout.strip() == "2.3.6", done.stderr


def test_tools_import_mmaction_after_the_package(root: Path) -> None:
    """It refuses mmcv 2.2 and later otherwise."""
    for path in (root / "tools").rglob("*.py"):
        roots = re.findall(r"^(?:from|import) (mmaction|f4d_mmaction)\b", path.read_text(), re.M)
        assert roots[:1] != ["mmaction"], f"{path} imports mmaction before f4d_mmaction"


def test_applying_the_workarounds_again_changes_nothing() -> None:
    def changed() -> tuple:
        drn = [module for name, module in sys.modules.items() if ".localizers.drn" in name]
        safe = getattr(torch.serialization, "get_safe_globals", list)()  # since PyTorch 2.6
        return mmcv.__version__, drn, dict(CheckpointLoader._schemes), set(map(str, safe))

    before = changed()
    compat.apply()
    assert changed() == before


def test_checkpoint_with_log_history_loads_weights_only(tmp_path: Path) -> None:
    hub = MessageHub("test_compat")
    for value in (3.0, 1.0, 2.0):
        hub.update_scalar("train/loss", value)
    path = tmp_path / "epoch_1.pth"
    torch.save(dict(state_dict={}, message_hub=hub.state_dict()), path)
    loaded = compat.load_from_local(path)["message_hub"]["log_scalars"]["train/loss"]
    assert isinstance(loaded, HistoryBuffer)
    assert (loaded.data[0] == [3.0, 1.0, 2.0]).all()
    assert loaded.statistics("max") == 3.0


def test_a_path_may_be_mapped_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch 2.1 maps no file that is given as a ``Path``, by which a run went on from another."""
    torch.save(dict(state_dict={}), tmp_path / "epoch_1.pth")
    load = torch.load

    def as_in_2_1(file: str | Path, **options: object) -> object:
        if options.get("mmap") and not isinstance(file, str):
            raise ValueError("f must be a string filename in order to use mmap argument")
        return load(file, **options)

    monkeypatch.setattr(torch, "load", as_in_2_1)
    assert compat.load_from_local(tmp_path / "epoch_1.pth", mmap=True) == dict(state_dict={})


def test_a_checkpoint_of_nested_metainfo_is_read(tmp_path: Path) -> None:
    config = Config(dict(metainfo=dict(classes=["a"], flip=dict(left="right"))))
    torch.save(dict(meta=dict(dataset_meta=dict(config.metainfo))), tmp_path / "epoch_1.pth")
    found = compat.load_from_local(tmp_path / "epoch_1.pth")["meta"]["dataset_meta"]
    assert found == dict(classes=["a"], flip=dict(left="right"))
    assert type(found["flip"]) is dict


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save(dict(state_dict={}), tmp_path / "epoch_1.pth")
    for load in (CheckpointLoader.load_checkpoint, load_checked):
        assert load("~/epoch_1.pth") == dict(state_dict={})


def test_a_checkpoint_cannot_change_the_statistics_of_other_logs(tmp_path: Path) -> None:
    buffer = HistoryBuffer([1.0], [1])
    forged = tmp_path / "forged.pth"
    methods, HistoryBuffer._statistics_methods = HistoryBuffer._statistics_methods, {"mean": 7}
    try:
        torch.save(buffer, forged)
    finally:
        HistoryBuffer._statistics_methods = methods
        buffer.__dict__.pop("statistics_methods", None)
    loaded = compat.load_from_local(forged)
    assert type(loaded) is HistoryBuffer
    assert loaded.statistics("mean") == HistoryBuffer([3.0], [1]).statistics("mean") - 2 == 1.0
    torch.save(loaded, forged)  # and goes into the next checkpoint like any other


def test_drn_explains_itself() -> None:
    from mmaction.models.localizers import DRN

    with pytest.raises(NotImplementedError, match="mmaction2/issues/2714"):
        DRN()
    assert importlib.util.find_spec("mmaction.models.localizers.drn.drn")
