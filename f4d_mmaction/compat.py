"""Makes mmaction2 1.2 run on PyTorch 2.0 to 2.15, NumPy 1 and 2, and newer mmcv.

Each function removes one symptom, names its upstream thread, and does nothing where the host is
healthy. :func:`apply` runs on ``import f4d_mmaction``, before anything of ``mmaction.models``.
"""

import importlib
import importlib.util
import os
import sys
import types
import warnings
from collections import Counter
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from .restricted_pickle import restricted_pickle

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch.serialization import MAP_LOCATION

MMCV_RANGE = SpecifierSet(">=2.0.1,<2.4")  # tested; MMAction2 itself accepts mmcv below 2.2
MMCV_OF_MMACTION = "2.1.0"
torch_version = Version(version("torch"))
LOADS_WEIGHTS_ONLY = torch_version >= Version("2.6")  # and by default


def apply() -> None:
    """Run every workaround that importing ``mmaction.models`` and loading checkpoints need.

    Raises:
        ImportError: no mmengine, mmcv or mmaction2, or an mmcv out of the tested range.
    """
    require_host()
    provide_missing_drn()
    load_checkpoints_weights_only()


def require_host() -> None:
    """Import MMAction2, or say what to install.

    MMEngine and mmcv are no hard requirements of this package: mmcv, mmcv-lite and the forks
    (onedl-mmengine, onedl-mmcv) install the same modules, and would overwrite each other.
    """
    # mmcv-lite warns on every import that it lacks a CUDA operator that no model here uses.
    warnings.filterwarnings("ignore", message="Fail to import ``MultiScaleDeformableAttention``")
    for name, remedy in (
        ("mmengine", '"mmengine>=0.10,<1"'),
        ("mmcv", f'"mmcv-lite>=2.0.1,<2.2" (or the full mmcv{MMCV_RANGE})'),
    ):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            raise ImportError(
                f"f4d_mmaction needs {name}, which failed to import: {error}. Install it with: pip "
                f"install {remedy}; or everything at once: pip install 'f4d_mmaction[standalone]'"
            ) from error
    if not MMCV_RANGE.contains(module.__version__, prereleases=True):
        raise ImportError(
            f"f4d_mmaction was tested with mmcv{MMCV_RANGE}, found {module.__version__}. Install "
            f"it with: pip install {remedy}"
        )
    import_mmaction_beside(module)


def import_mmaction_beside(mmcv: types.ModuleType) -> None:
    """``AssertionError: MMCV==2.2.0 is used but incompatible`` (as mmdetection #12312).

    MMAction2 asserts the version when it is imported and looks at it nowhere else. A program that
    imports ``mmaction`` first, such as MMAction2's own tools, still meets the assertion.
    """
    if importlib.util.find_spec("mmaction") is None:
        raise ImportError('f4d_mmaction is a plugin of MMAction2: pip install "mmaction2>=1.2,<2"')
    found = mmcv.__version__
    try:
        if not SpecifierSet("<2.2").contains(found, prereleases=True):
            vars(mmcv)["__version__"] = MMCV_OF_MMACTION
        importlib.import_module("mmaction")
    finally:
        vars(mmcv)["__version__"] = found


def provide_missing_drn() -> None:
    """``No module named mmaction.models.localizers.drn``: PyPI's wheel lacks it (mmaction2 #2714).

    ``find_spec`` on the folder itself would import its broken parent, so look for the file.
    """
    spec = importlib.util.find_spec("mmaction")
    if spec and spec.origin and (Path(spec.origin).parent / "models/localizers/drn").is_dir():
        return

    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError(
            "PyPI's mmaction2 1.2.0 lacks DRN: install it from its repository "
            "(https://github.com/open-mmlab/mmaction2/issues/2714)"
        )

    package = "mmaction.models.localizers.drn"
    for name in (package, f"{package}.drn"):
        spec = ModuleSpec(name, None, is_package=True)
        stub = importlib.util.module_from_spec(spec)
        vars(stub)["DRN"] = refuse
        sys.modules.setdefault(name, stub)


def load_checkpoints_weights_only() -> None:
    """``UnpicklingError ... HistoryBuffer`` on resume and test (mmengine #1655, torch >= 2.6).

    MMEngine keeps its log history and its schedulers' state in every checkpoint. Those few types
    are allowed; loading stays weights-only, so a checkpoint still cannot run code. MMEngine's
    loaders leave that to PyTorch, which unpickles everything in local files before 2.6 and in
    downloads in all versions, and its fork asks for that. Both are replaced, unless
    ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1`` says, as to PyTorch, that all files can be trusted.
    """
    import torch
    from mmengine.runner.checkpoint import CheckpointLoader

    if LOADS_WEIGHTS_ONLY:
        torch.serialization.add_safe_globals(checkpoint_types())
    if os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD") == "1":
        return
    CheckpointLoader.register_scheme("", load_from_local, force=True)
    CheckpointLoader.register_scheme(["http://", "https://"], load_from_http, force=True)


def load_from_local(path: str | Path, map_location: "MAP_LOCATION" = "cpu", **options: Any) -> Any:
    """Load a checkpoint without running code of its own; ``options`` are of ``torch.load``.

    Raises:
        pickle.UnpicklingError: it asks for what no checkpoint needs.
    """
    import torch

    if LOADS_WEIGHTS_ONLY:
        options["weights_only"] = True
    else:
        options["pickle_module"] = restricted_pickle(checkpoint_types())
    if torch_version < Version("2.1"):  # which maps no file into memory
        options.pop("mmap", None)
    return torch.load(os.path.expanduser(path), map_location=map_location, **options)


def load_from_http(url: str, map_location: "MAP_LOCATION" = None) -> Any:
    """Load a checkpoint from the web, by way of PyTorch's folder of downloads."""
    import torch
    from mmengine.dist import barrier

    path = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(url).path).name)
    if not path.is_file() and os.environ.get("LOCAL_RANK", "0") == "0":
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path))
    barrier()
    return load_from_local(path, map_location)


@cache
def checkpoint_types() -> list:
    """What a checkpoint of MMEngine holds beside tensors, as ``add_safe_globals`` wants it."""
    import numpy as np
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    class LoadedHistory(HistoryBuffer):
        """A log history that leaves the statistics, which the class has for all, as they are."""

        def __setstate__(self, state: dict) -> None:
            super().__setstate__({**state, "statistics_methods": {}})
            self.__class__ = HistoryBuffer

    methods = {
        HistoryBuffer: ("min", "max", "mean", "current"),
        OneCycleParamScheduler: ("_annealing_cos", "_annealing_linear"),
    }

    def known_method(owner: object, name: str) -> object:
        """Stand for ``builtins.getattr``: pickle names methods through it."""
        owner = HistoryBuffer if owner is LoadedHistory else owner
        if isinstance(owner, type) and name in methods.get(owner, ()):
            return getattr(owner, name)
        raise ValueError(f"checkpoint asks for getattr({owner!r}, {name!r}), which is refused")

    arrays = {"_reconstruct": np.array(0).__reduce__()[0], "scalar": np.float64(0).__reduce__()[0]}
    allowed: list = [Counter, OneCycleParamScheduler, np.ndarray, np.dtype]
    allowed += [(known_method, "builtins.getattr"), (dict, "mmengine.config.config.ConfigDict")]
    allowed += [(LoadedHistory, "mmengine.logging.history_buffer.HistoryBuffer")]
    for home in ("numpy._core.multiarray", "numpy.core.multiarray"):  # numpy 2 and numpy 1 files
        allowed += [(function, f"{home}.{name}") for name, function in arrays.items()]
    allowed += [type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "bool")]
    return allowed


def init_gloo_without_cuda(config: "Config") -> None:
    """``_cuda_setDevice`` and ``device_ids`` errors: MMEngine 0.10 takes DDP to mean CUDA.

    Starts a gloo process group before the Runner would start NCCL, and has the Runner's
    ``model_wrapper_cfg`` wrap the model without device ids. With CUDA the Runner does all of it.

    Raises:
        ValueError: another launcher than ``pytorch``, without CUDA.
    """
    import torch

    if torch.cuda.is_available():
        return
    if config.launcher != "pytorch":
        raise ValueError(
            f"launcher {config.launcher!r} needs CUDA; on CPUs use tools/dist_train.sh (torchrun)"
        )
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    config.model_wrapper_cfg = {
        "type": "MMDistributedDataParallel",
        "broadcast_buffers": False,
        "find_unused_parameters": config.get("find_unused_parameters", False),
        **config.get("model_wrapper_cfg", {}),
        "device_ids": None,
    }
