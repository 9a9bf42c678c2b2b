"""Features of videos: what the network computes before, or inside, its classifier."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..models.compiling import is_compiling
from ..models.resnet4d import Blocks4dMixin
from ..structures import Recognition
from .recognition import run_in_batches


class Features(NamedTuple):
    """Features of one video; of a bad one what is wrong with it, as in ``Recognition``."""

    path: str
    values: np.ndarray | None
    kind: str = ""
    error: str = ""


def extract_features(
    model: BaseModel,
    videos: str | os.PathLike | Iterable[str | os.PathLike],
    of: str = "video",
    batch_size: int = 1,
) -> Iterator[Features]:
    """Yield the features of videos one by one, from the network's own forward pass.

    Args:
        model: Of ``load_recognizer``, or another recognizer of MMAction2; ``model.double()``
            computes in float64.
        videos: Path of a video, or several.
        of: ``'video'``, (C'), what the classifier takes, the mean over the views where there are
            several; ``'unit'``, (U, C'), the pooled output of the backbone for each unit (of other
            networks: each clip, or frame of a 2D network); or the name of a stage such as
            ``'layer3'``: its maps (U, C', T', H', W') after its 4D block.
        batch_size: Videos in one forward pass.

    Raises:
        ValueError: the network has no such stage, or several outputs or regrouped units where
            units are wanted; or a pipeline that cannot read videos.
    """
    layer = _layer(model, of)

    def run(paths: Sequence[str], packed: Sequence[dict]) -> Iterator[Features]:
        return map(Features, paths, _forward(model, layer, packed, of))

    for found in run_in_batches(model, videos, batch_size, run):
        is_bad = isinstance(found, Recognition)
        yield Features(found.path, None, found.kind, found.error) if is_bad else found


def _layer(model: BaseModel, of: str) -> nn.Module:
    """The classifier, whose input is wanted, or the module whose output is."""
    backbone = model.backbone
    if of == "video":
        return [part for part in model.cls_head.modules() if isinstance(part, nn.Linear)][-1]
    if of == "unit":
        return model.neck if model.with_neck else backbone
    stages = {k: v for k, v in backbone.named_children() if not isinstance(v, nn.ModuleDict)}
    if of not in stages:
        raise ValueError(f"of must be 'video', 'unit' or one of {', '.join(stages)}, got {of!r}")
    last = f"{of}_{len(stages[of]) - 1}" if isinstance(stages[of], nn.Sequential) else ""
    stage = stages[of][-1] if last else stages[of]  # of one with a block inside only parts run
    return dict(getattr(backbone, "blocks4d", {})).get(last) or stage


@torch.no_grad()
def _forward(model: BaseModel, layer: nn.Module, packed: Sequence[dict], of: str) -> np.ndarray:
    """Run packed videos of one size: (N, ...)."""
    data = model.data_preprocessor(pseudo_collate(packed), False)
    inputs = data["inputs"].to(next(model.parameters()).dtype)
    kept: list[Tensor] = []
    register = layer.register_forward_pre_hook if of == "video" else layer.register_forward_hook
    with register(partial(_keep, kept, threading.get_ident())):
        model(inputs, data["data_samples"], mode="predict")
    if not kept:
        raise ValueError(f"{of} lies within a compiled backbone; prepare it with compile=False")
    count, x = len(packed), torch.cat(kept)
    x = x.float() if x.dtype == torch.bfloat16 else x  # which NumPy lacks
    if of == "video":
        return x.unflatten(0, (count, -1)).mean(1).cpu().numpy()
    if of == "unit":
        if isinstance(model.backbone, Blocks4dMixin) and not model.with_neck:
            units = packed[0]["inputs"].shape[1]
            if inputs.shape[2] != units:
                raise ValueError(f"{type(model.data_preprocessor).__name__} regroups units")
            x = x.unflatten(2, (units, -1)).transpose(1, 2).flatten(0, 1)
        # In NumPy, which adds up each row by itself, so that the batch changes no bit.
        rows = np.ascontiguousarray(x.flatten(2).cpu().numpy())
        return rows.mean(2).reshape(count, -1, rows.shape[1])
    return x.reshape(count, -1, *x.shape[-3 if x.ndim == 4 else -4 :]).cpu().numpy()


def _keep(
    kept: list[Tensor], thread: int, module: nn.Module, args: tuple, output: object = None
) -> None:
    if not is_compiling() and thread != threading.get_ident():  # its own pass
        return
    value = args[0] if output is None else output
    if not isinstance(value, Tensor):
        raise ValueError(f"{type(module).__name__} has several outputs; name a stage, or 'video'")
    kept.append(value)
