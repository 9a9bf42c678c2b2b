"""Checkpoints from strangers: nothing in them may run, whichever way they are loaded."""

import builtins
import contextlib
import functools
import importlib
import io
import operator
import os
import pickle
import subprocess
from collections import Counter
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.optim import scheduler
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from tiny_run import train, write_config
from torch._weights_only_unpickler import _get_allowed_globals as allowed_globals

from f4d_mmaction.compat import checkpoint_types
from f4d_mmaction.engine.checkpoints import DamagedCheckpointError, load_checked
from f4d_mmaction.restricted_pickle import restricted_pickle

LOADERS = {
    "ours": load_checked,
    "before torch 2.6": lambda path: torch.load(
        path, pickle_module=restricted_pickle(checkpoint_types()), weights_only=False
    ),
    "host": lambda path: load_checkpoint(torch.nn.Linear(1, 1), str(path), map_location="cpu"),
}


@pytest.fixture(autouse=True)
def statistics_of_other_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attack that is let through changes them for the whole process."""
    methods = dict(HistoryBuffer._statistics_methods)
    monkeypatch.setattr(HistoryBuffer, "_statistics_methods", methods)


class Call:
    """Pickles as a call; the function may itself be what a call returns."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __call__(self) -> None:
        """Only there because pickle asks whether a function is callable."""

    def __reduce__(self) -> tuple:
        return self.call


def getattr_of_an_allowed_type(touch: str, _: Path) -> object:
    """HistoryBuffer.__init__.__globals__["__builtins__"]["eval"]"""
    names = Call(getattr, Call(getattr, HistoryBuffer, "__init__"), "__globals__")
    builtin = Call(operator.getitem, names, "__builtins__")
    evaluate = Call(operator.getitem, builtin, "eval")
    return Call(evaluate, f"__import__('os').system({touch!r})")


def torch_storage(touch: str, _: Path) -> object:
    """torch's own reader of storages calls torch.load."""
    inner = io.BytesIO()
    torch.save(Call(os.system, touch), inner)
    return Call(torch.storage._load_from_bytes, inner.getvalue())


def torch_load(touch: str, folder: Path) -> object:
    torch.save(Call(os.system, touch), folder / "inner.pth")
    return Call(functools.partial(torch.load, weights_only=False), str(folder / "inner.pth"))


def torch_hub(touch: str, folder: Path) -> object:
    code = f"import os\nos.system({touch!r})\ndef model(): return 0\n"
    (folder / "hubconf.py").write_text(code)
    return Call(functools.partial(torch.hub.load, source="local"), str(folder), "model")


def numpy_load(touch: str, folder: Path) -> object:
    path = folder / "inner.npy"
    np.save(path, np.array([Call(os.system, touch)], dtype=object), allow_pickle=True)
    return Call(functools.partial(np.load, allow_pickle=True), str(path))


def hosts_loader(touch: str, folder: Path) -> object:
    (folder / "inner.pkl").write_bytes(pickle.dumps(Call(os.system, touch)))
    return Call(mmengine.load, str(folder / "inner.pkl"))


def hosts_config(touch: str, folder: Path) -> object:
    (folder / "inner.py").write_text(f"__import__('os').system({touch!r})\n")
    return Call(Config.fromfile, str(folder / "inner.py"))


def message_hub(touch: str, _: Path) -> object:
    buffer = HistoryBuffer()
    buffer._statistics_methods = {"mean": Call(os.system, touch)}
    return {"log_scalars": {"train/loss": buffer}, "runtime_info": {}, "resumed_keys": {}}


OS = Call(importlib.import_module, "os")
ATTACKS = {  # a shell command and a folder to what runs the command when it is unpickled
    "os.system": lambda touch, _: Call(os.system, touch),
    "subprocess": lambda touch, _: Call(subprocess.getoutput, touch),
    "eval": lambda touch, _: Call(builtins.eval, f"__import__('os').system({touch!r})"),
    "exec": lambda touch, _: Call(builtins.exec, f"import os; os.system({touch!r})"),
    "partial": lambda touch, _: Call(functools.partial(os.system), touch),
    "getattr of a module": lambda touch, _: Call(Call(getattr, OS, "system"), touch),
    "getattr of an allowed type": getattr_of_an_allowed_type,
    "method caller": lambda touch, _: Call(operator.methodcaller("system", touch), OS),
    "array of objects": lambda touch, _: np.array([Call(os.system, touch)], dtype=object),
    "torch's storage": torch_storage,
    "torch.load": torch_load,
    "torch.hub": torch_hub,
    "numpy.load": numpy_load,
    "mmengine.load": hosts_loader,
    "mmengine's config": hosts_config,
    "message hub": message_hub,
}


@pytest.mark.parametrize("packing", ["zip", "pickle"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_checkpoint_is_refused(tmp_path: Path, attack: str, packing: str) -> None:
    mark = tmp_path / "code_ran"
    weights = {"weight": torch.zeros(1, 1), "bias": torch.zeros(1)}
    hostile = {"state_dict": weights, "message_hub": ATTACKS[attack](f"touch {mark}", tmp_path)}
    path = tmp_path / "hostile.pth"
    if packing == "zip":
        torch.save(hostile, path)
    else:
        path.write_bytes(pickle.dumps(hostile))

    for load in LOADERS.values():
        with pytest.raises((DamagedCheckpointError, pickle.UnpicklingError)):
            load(path)
        assert not mark.exists()

    # The attack is one: without restraint it succeeds.
    if packing == "zip":
        # torch 2.4 forgets where it loads to when a load runs inside another one.
        with contextlib.suppress(AttributeError):
            torch.load(path, weights_only=False)
        assert mark.exists()


def test_downloads_are_loaded_like_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's own loader of downloads unpickles whatever is in them."""
    folder, mark = tmp_path / "checkpoints", tmp_path / "code_ran"
    folder.mkdir()
    torch.save({"state_dict": Call(os.system, f"touch {mark}")}, folder / "hostile.pth")
    torch.save({"state_dict": {"weight": torch.ones(2)}}, folder / "honest.pth")
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    load = functools.partial(CheckpointLoader.load_checkpoint, logger="silent")
    assert load("https://example.org/honest.pth", "cpu")["state_dict"]["weight"].sum() == 2
    with pytest.raises(pickle.UnpicklingError):
        load("https://example.org/hostile.pth", "cpu")
    assert not mark.exists()


def test_resume_and_test_refuse_a_hostile_checkpoint(benchmark: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, benchmark)
    mark, path = tmp_path / "code_ran", tmp_path / "run" / "epoch_1.pth"
    path.parent.mkdir()
    torch.save({"state_dict": {}, "meta": Call(os.system, f"touch {mark}")}, path)
    output = train(config, path.parent, "--resume", code=1)
    assert "none of the 1 checkpoints" in output
    assert "asks for posix.system" in output
    assert not mark.exists()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("MultiStepLR", dict(milestones=[1, 2])),
        ("OneCycleLR", dict(eta_max=0.1, total_steps=3)),
        ("CosineAnnealingLR", dict(T_max=3)),
        ("StepLR", dict(step_size=1)),
        ("PolyLR", {}),
        ("LinearLR", {}),
        ("ReduceOnPlateauLR", {}),
    ],
)
def test_schedulers_in_a_checkpoint_are_loaded(
    kind: str, options: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by early versions of PyTorch, whose own list has no Counter."""
    known = {k: v for k, v in allowed_globals().items() if k != "collections.Counter"}
    monkeypatch.setattr(torch._weights_only_unpickler, "_get_allowed_globals", lambda: known)
    optimizer = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=0.1)
    state = getattr(scheduler, kind)(optimizer, **options).state_dict()
    torch.save(dict(state_dict={}, param_schedulers=[state]), tmp_path / "x.pth")
    for load in LOADERS.values():
        loaded = load(tmp_path / "x.pth")["param_schedulers"][0]
        assert {k: v for k, v in loaded.items() if k != "_parameters"} == state


def test_allow_list_is_no_longer_than_needed() -> None:
    """A type more is a decision: add it here with a reason, or leave it out."""
    ours = {item if isinstance(item, type) else item[1] for item in checkpoint_types()}
    number_types = {type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "bool")}
    assert ours == number_types | {
        "mmengine.logging.history_buffer.HistoryBuffer",  # the log in every checkpoint, tamed
        OneCycleParamScheduler,  # only as owner of its two annealing functions
        Counter,  # milestones of MultiStepLR; on PyTorch's own list in later versions
        np.ndarray,
        np.dtype,
        "mmengine.config.config.ConfigDict",  # stands for a dict, of a nested metainfo
        "builtins.getattr",  # stands for a function that knows six methods
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
    }


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (HistoryBuffer, "__init__"),
        (HistoryBuffer, "__class__"),
        (HistoryBuffer, "register_statistics"),
        (HistoryBuffer, "_statistics_methods"),
        (OneCycleParamScheduler, "__init__"),
        (OneCycleParamScheduler, "from_config"),
        (np.ndarray, "tofile"),
        (np.dtype, "__subclasses__"),
        ("text", "format"),
        (torch.Tensor, "__reduce_ex__"),
    ],
)
def test_getattr_serves_known_methods_only(tmp_path: Path, owner: object, name: str) -> None:
    path = tmp_path / "x.pth"
    torch.save({"x": Call(getattr, owner, name)}, path)
    for load in LOADERS.values():
        with pytest.raises((DamagedCheckpointError, pickle.UnpicklingError, ValueError)):
            load(path)
