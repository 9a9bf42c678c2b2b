"""Makes mmaction2 1.2 run on a current PyTorch, NumPy and setuptools.

Each function removes one symptom, names its upstream thread, and does nothing where the host is
healthy. :func:`apply` runs on ``import f4d_mmaction``, before anything of ``mmaction.models``.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

if TYPE_CHECKING:
    from mmengine.config import Config

MMCV_RANGE = SpecifierSet(">=2.0.1,<2.2")


def apply() -> None:
    """Run every workaround that importing ``mmaction.models`` and loading checkpoints need.

    Raises:
        ImportError: no mmcv, or one that mmaction2 1.2 refuses.
    """
    require_mmcv()
    provide_missing_drn()
    allow_message_hub_in_checkpoints()


def require_mmcv() -> None:
    """Say how to get mmcv; MMAction2's own message is a bare assertion.

    mmcv is no hard requirement of this package because mmcv and mmcv-lite install the same
    module: requiring one would overwrite the other.
    """
    remedy = f'pip install "mmcv-lite{MMCV_RANGE}" (or the full mmcv in the same range)'
    # mmcv-lite warns on every import that it lacks a CUDA operator that no model here uses.
    warnings.filterwarnings("ignore", message="Fail to import ``MultiScaleDeformableAttention``")
    try:
        version = importlib.import_module("mmcv").__version__
    except ImportError as error:
        raise ImportError(f"f4d_mmaction needs mmcv, which failed to import: {error}. "
                          f"Install it with: {remedy}") from error  # fmt: skip
    if not MMCV_RANGE.contains(version, prereleases=True):
        raise ImportError(f"mmaction2 1.2 accepts mmcv{MMCV_RANGE}, found {version}. "
                          f"Install it with: {remedy}")  # fmt: skip


def provide_missing_drn() -> None:
    """``No module named mmaction.models.localizers.drn``: PyPI's wheel lacks it (mmaction2 #2714).

    ``find_spec`` on the folder itself would import its broken parent, so look for the file.
    """
    spec = importlib.util.find_spec("mmaction")
    if spec is None:
        raise ImportError('f4d_mmaction is a plugin of MMAction2: pip install "mmaction2>=1.2,<2"')
    if (Path(spec.origin).parent / "models" / "localizers" / "drn").is_dir():
        return

    class DRN:
        """Stands for the localizer that PyPI's mmaction2 1.2.0 wheel does not carry."""

        def __init__(self, *args: object, **kwargs: object) -> None:
            raise NotImplementedError(
                "DRN is missing from PyPI's mmaction2 1.2.0 wheel "
                "(https://github.com/open-mmlab/mmaction2/issues/2714); "
                "install mmaction2 from its repository to use it."
            )

    package = "mmaction.models.localizers.drn"
    for name in (package, f"{package}.drn"):
        stub = types.ModuleType(name, doc=DRN.__doc__)
        stub.DRN = DRN
        stub.__path__ = []
        sys.modules.setdefault(name, stub)


def allow_message_hub_in_checkpoints() -> None:
    """``UnpicklingError ... HistoryBuffer`` on resume and test (mmengine #1655, torch >= 2.6).

    MMEngine keeps its log history and its schedulers' state in every checkpoint. Those few types
    are allowed; loading stays weights-only, so a checkpoint still cannot run code.
    """
    import numpy as np
    import torch
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    class LoadedHistory(HistoryBuffer):
        """A log history whose file cannot replace the statistics of all others.

        The host keeps those in the class and updates them from every file it loads.
        """

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

    multiarray = np.array(0).__reduce__()[0].__module__.rpartition(".")[0]
    core = importlib.import_module(f"{multiarray}.multiarray")
    arrays = {"_reconstruct": core._reconstruct, "scalar": core.scalar}
    allowed: list = [OneCycleParamScheduler, np.ndarray, np.dtype]
    allowed += [(known_method, "builtins.getattr")]
    allowed += [(LoadedHistory, "mmengine.logging.history_buffer.HistoryBuffer")]
    for home in ("numpy._core.multiarray", "numpy.core.multiarray"):  # numpy 2 and numpy 1 files
        allowed += [(function, f"{home}.{name}") for name, function in arrays.items()]
    allowed += [type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "bool")]
    torch.serialization.add_safe_globals(allowed)


def init_gloo_without_cuda(config: Config) -> None:
    """``_cuda_setDevice`` and ``device_ids`` errors: MMEngine 0.10 takes DDP to mean CUDA.

    Starts a gloo process group before the Runner would start NCCL, and wraps the model without
    device ids. With CUDA the Runner does all of it.

    Args:
        config: Of the Runner; ``model_wrapper_cfg`` is changed.

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
