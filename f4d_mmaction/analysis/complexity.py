"""Parameters and multiply-adds of a recognizer, by part, without running it.

The network is built and run on the meta device, so counting needs neither time nor memory, and
operators are counted as they are dispatched, so functional calls count too (a counter that hooks
``nn.Conv3d`` modules misses functional 4D convolutions). Multiply-adds are those of convolutions
and matrix products; the paper's "FLOPs" are multiply-adds.
"""

import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope

from ..datasets.unwrapping import find_sampler, tested_dataset

# Which part of a recognizer a module or parameter belongs to, by name; the first match counts.
PARTS = {
    "attention": re.compile(r"\bblocks4d\.\w+\.attention\b"),
    "conv4d": re.compile(r"\bblocks4d\b"),
    "head": re.compile(r"\bcls_head\b"),
    "trunk": re.compile(""),
}


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-adds of one forward pass."""

    params: int
    macs: int


@dataclass(frozen=True)
class Complexity:
    """Cost of one view of one video of ``num_units`` units of ``clip_len`` frames.

    ``parts`` holds the trunk, the 4D blocks' convolutions (``conv4d``, with their normalization),
    their attention, and the head.
    """

    num_units: int
    clip_len: int
    size: int
    parts: dict[str, Cost]

    @property
    def params(self) -> int:
        """All parameters."""
        return sum(part.params for part in self.parts.values())

    @property
    def macs(self) -> int:
        """All multiply-adds of one view."""
        return sum(part.macs for part in self.parts.values())


def complexity(
    config: Config | str | Path, num_units: int = 4, clip_len: int = 8, size: int = 224
) -> Complexity:
    """Count ``model`` of a config, or of its path, on one view (U, 3, T, size, size) of a video.

    Raises:
        FileNotFoundError: there is no such config.
        ValueError: a size below 1, or one that the network does not take.
    """
    if min(num_units, clip_len, size) < 1:
        raise ValueError(f"sizes must be positive: U{num_units} x T{clip_len} at {size}")
    config = config if isinstance(config, Config) else Config.fromfile(config)
    init_default_scope(config.get("default_scope", "mmaction"))
    settings = deepcopy(config.model)
    settings.get("data_preprocessor", {}).pop("blending", None)  # not for the meta device
    settings.get("backbone", {}).pop("compile", None)
    with torch.device("meta"):
        model = MODELS.build(settings).to("meta").eval()
        video = torch.empty(1, num_units, 3, clip_len, size, size, dtype=torch.uint8)
    try:
        macs = count_macs(model, video)
    except (RuntimeError, ValueError) as error:  # such as TSM's, which takes one number of frames
        raise ValueError(f"not on U{num_units} x T{clip_len} at {size}: {error}") from error
    params = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        params[part_of(name)] += parameter.numel()
    parts = {part: Cost(params[part], macs[part]) for part in PARTS}
    return Complexity(num_units, clip_len, size, parts)


def part_of(name: str) -> str:
    """Name the part that a module or parameter belongs to."""
    return next(part for part, pattern in PARTS.items() if pattern.search(name))


def count_macs(model: BaseModel, video: torch.Tensor) -> dict[str, int]:
    """Count multiply-adds by part for one ``video`` (views, U, 3, T, H, W) of uint8."""
    try:
        from torch.utils.flop_counter import FlopCounterMode
    except ImportError as error:
        raise ValueError("counting multiply-adds needs PyTorch 2.1 or newer") from error
    counter = FlopCounterMode(display=False)
    if not hasattr(counter, "mod_tracker"):  # PyTorch below 2.4 follows the modules it is given
        counter = FlopCounterMode(model, display=False)
    batch = model.data_preprocessor(dict(inputs=[video], data_samples=None))
    with counter, torch.no_grad():
        model(batch["inputs"], mode="tensor", stage="head")
    flops = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    own = dict.fromkeys(PARTS, 0)
    for name, count in flops.items():
        if name != "Global":
            # A module's count holds its children's: hand each part only what is its own.
            own[part_of(name)] += count
            parent = name.rpartition(".")[0]
            while parent and parent not in flops:
                parent = parent.rpartition(".")[0]
            if parent:
                own[part_of(parent)] -= count
    return {part: count // 2 for part, count in own.items()}


def protocol(config: Config) -> tuple[int, int, int]:
    """Read (num_units, clip_len, views) off a config's test pipeline.

    Raises:
        ValueError: the pipeline does not sample action units.
    """
    pipeline = tested_dataset(config)["pipeline"]
    sampler = find_sampler(pipeline)
    views = max({"ThreeCrop": 3, "TenCrop": 10}.get(step["type"], 1) for step in pipeline)
    return sampler["num_units"], sampler["clip_len"], views
