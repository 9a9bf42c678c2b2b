"""The package on the host as shipped: imports, checkpoints, set-up errors."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from unittest.mock import patch

import mmcv
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.utils import digit_version

from f4d_mmaction import compat


def python(code: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "first",
    ["import mmengine", "import mmaction", "import mmaction.apis", "import mmaction.registry"],
)
def test_config_alone_brings_the_package(
    first: str, root: Path, subprocess_env: dict, tmp_path: Path
) -> None:
    """custom_imports does the rest, from any working directory."""
    if "mmaction" in first and digit_version(mmcv.__version__) >= digit_version("2.2"):
        pytest.skip("MMAction2 refuses this mmcv unless this package is imported first")
    done = python(
        f"{first}\n"
        "from mmengine.config import Config\n"
        "from mmengine.registry import init_default_scope\n"
        f"cfg = Config.fromfile(r'{root}/configs/recognition/f4d/f4d_r18_phase_order.py')\n"
        "init_default_scope(cfg.default_scope)\n"
        "from mmaction.registry import MODELS\n"
        "print(type(MODELS.build(cfg.model).backbone).__name__)\n",
        subprocess_env,
        tmp_path,
    )
    assert done.stdout.strip() == "ResNet4d", done.stderr


def test_config_trains_validates_and_tests_with_mmengine_alone(
    root: Path, benchmark: Path, subprocess_env: dict, tmp_path: Path
) -> None:
    script = f"""
from mmengine.config import Config
from mmengine.runner import Runner
cfg = Config.fromfile(r"{root}/configs/recognition/f4d/f4d_r18_phase_order.py")
cfg.work_dir, cfg.train_cfg.max_epochs = r"{tmp_path}", 1
for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
    name = loader.dataset.ann_file.rpartition("/")[2]
    loader.dataset.update(ann_file=r"{benchmark}/" + name, data_prefix=dict(video=r"{benchmark}"))
runner = Runner.from_cfg(cfg)
runner.train()
print("TESTED", runner.test()["acc/top1"])
"""
    done = python(script, subprocess_env, tmp_path)
    assert "TESTED" in done.stdout, done.stderr[-2000:]
    assert (tmp_path / "epoch_1.pth").is_file()


def test_missing_package_is_named_by_the_config(
    root: Path, subprocess_env: dict, tmp_path: Path
) -> None:
    env = {key: value for key, value in subprocess_env.items() if key != "PYTHONPATH"}
    (tmp_path / "f4d_mmaction.py").write_text("raise ImportError('not installed')")
    env["PYTHONPATH"] = str(tmp_path)
    done = python(
        "from mmengine.config import Config\n"
        f"Config.fromfile(r'{root}/configs/recognition/f4d/f4d_r18_phase_order.py')",
        env,
        tmp_path,
    )
    assert done.returncode == 1
    assert (
        "ImportError: Failed to import custom modules from {'imports': ['f4d_mmaction']"
        in done.stderr
    )


@pytest.mark.parametrize(
    ("mmcv", "message"),
    [("raise ImportError('no mmcv')", "needs mmcv"), ("__version__ = '2.4.0'", "found 2.4.0")],
)
def test_mmcv_missing_or_out_of_range_says_what_to_install(
    mmcv: str, message: str, subprocess_env: dict, tmp_path: Path
) -> None:
    (tmp_path / "mmcv.py").write_text(mmcv)
    env = {**subprocess_env, "PYTHONPATH": f"{tmp_path}{os.pathsep}{subprocess_env['PYTHONPATH']}"}
    done = python("import f4d_mmaction", env, tmp_path)
    assert message in done.stderr.splitlines()[-1]
    assert 'pip install "mmcv-lite' in done.stderr.splitlines()[-1]


def test_mmcv_that_mmaction_refuses_runs(subprocess_env: dict, tmp_path: Path) -> None:
    code = "import mmcv; mmcv.__version__ = '2.3.6'; import {}; print(mmcv.__version__)"
    refused = python(code.format("mmaction"), subprocess_env, tmp_path)
    assert "incompatible" in refused.stderr
    done = python(code.format("f4d_mmaction, mmaction.models"), subprocess_env, tmp_path)
    assert done.stdout.strip() == "2.3.6", done.stderr


def test_downloaded_checkpoints_load_weights_only(tmp_path: Path) -> None:
    """PyTorch's own loader of downloads unpickles whatever is in them."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    marker = tmp_path / "ran"
    torch.save(dict(state_dict=Hostile(os.system, f"touch {marker}")), folder / "hostile.pth")
    torch.save(dict(state_dict={"weight": torch.ones(2)}), folder / "honest.pth")
    load = partial(CheckpointLoader.load_checkpoint, map_location="cpu", logger="silent")
    with patch("torch.hub.get_dir", return_value=str(tmp_path)):
        assert load("https://example.org/honest.pth")["state_dict"]["weight"].sum() == 2
        with pytest.raises(pickle.UnpicklingError):
            load("https://example.org/hostile.pth")
    assert not marker.exists()


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


def test_a_checkpoint_cannot_change_the_statistics_of_other_logs(tmp_path: Path) -> None:
    buffer = HistoryBuffer([1.0], [1])
    torch.save(buffer, tmp_path / "honest.pth")
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


class Hostile:
    """Pickles to a call of ``function(*arguments)``."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize(
    "payload",
    [
        lambda marker: Hostile(os.system, f"touch {marker}"),
        lambda marker: Hostile(exec, f"open({str(marker)!r}, 'w')"),
        lambda marker: Hostile(getattr, HistoryBuffer, "__init__"),
    ],
    ids=["os.system", "exec", "getattr"],
)
def test_hostile_checkpoints_are_refused(payload: callable, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / "hostile.pth"
    torch.save(dict(state_dict={}, message_hub=payload(marker)), path)
    with pytest.raises(Exception, match=r"(?i)weights only|weights_only|refused|unsupported"):
        load_checkpoint(torch.nn.Linear(1, 1), str(path), map_location="cpu")
    assert not marker.exists()


def test_drn_explains_itself() -> None:
    from mmaction.models.localizers import DRN

    with pytest.raises(NotImplementedError, match="mmaction2/issues/2714"):
        DRN()
