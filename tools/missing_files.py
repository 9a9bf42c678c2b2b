"""Files that a run needs, looked for before anything is built."""

import os
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import urlopen

import torch
from mmengine.config import Config

from f4d_mmaction.datasets.unwrapping import unwrapped
from f4d_mmaction.datasets.video_reader import video_file
from mmaction.utils import get_str_type

# Datasets whose lists begin each line with a name, and what data_prefix calls the folder of these.
LISTS = {"VideoDataset": "video", "RepeatAugDataset": "video", "RawframeDataset": "img"}
LINES = 100  # of a list, whose videos are looked for
WAIT = 30.0  # seconds, for the process that tells what is missing
PAGE = "docs/datasets.md says where the data comes from and how tools/data/prepare.py lists it"
BENCHMARK = "python tools/data/make_benchmark.py data/phase_order makes it"


def require_files(config: Config, phases: Sequence[str]) -> None:
    """Say by the first process of each machine of a run what the phases that will run miss.

    Raises:
        FileNotFoundError: a list, a folder, all of a list's first videos, or pretrained weights.
        SystemExit: the same, in a machine's other processes.
    """
    found = next(missing_files(config, phases), None)
    if found is None:
        return
    on_slurm = config.get("launcher") == "slurm"  # else its variables are of another job
    local = os.environ.get("SLURM_LOCALID", "0") if on_slurm else "0"
    if os.environ.get("LOCAL_RANK", local) != "0":
        time.sleep(WAIT)  # launchers end all processes with the first one
        raise SystemExit(1)
    raise FileNotFoundError(found)


def missing_files(config: Config, phases: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each thing that is missing."""
    for phase in phases:
        loader = config.get(f"{phase}_dataloader") or {}
        for dataset in unwrapped(loader.get("dataset", {})):
            yield from _missing_data(dataset, phase)
    if "train" in phases:
        backbone = config.get("model", {}).get("backbone", {})
        for name, source in (
            ("model.backbone.pretrained", backbone.get("pretrained")),
            ("load_from", config.get("load_from")),
        ):
            if isinstance(source, str):
                yield from _missing_weights(name, source)


def _missing_data(dataset: dict, phase: str) -> Iterator[str]:
    root, ann_file = dataset.get("data_root") or "", dataset.get("ann_file")
    if not isinstance(ann_file, str) or not ann_file or "://" in f"{root}{ann_file}":
        return
    remedy = BENCHMARK if "phase_order" in f"{root}{ann_file}" else PAGE
    where = f"of {phase}_dataloader is missing: {remedy}"
    path, prefixes = Path(root, ann_file), dataset.get("data_prefix") or {}
    listed = LISTS.get((get_str_type(dataset.get("type")) or "").split(".")[-1])
    if not (path.is_file() if listed else path.exists()):
        yield f"annotation list {path.absolute()} {where}"
        return
    for name in ("img", "video") if isinstance(prefixes, dict) else ():
        prefix = prefixes.get(name)
        if not isinstance(prefix, str) or "://" in prefix:
            continue
        folder = Path(root, prefix)
        if not folder.is_dir():
            yield f"folder {folder.absolute()} {where}"
            return
        if name != listed:
            continue
        delimiter = dataset.get("delimiter")
        try:
            with open(path, encoding="utf-8") as file:
                lines = [line.split(delimiter) for line in islice(file, LINES) if line.strip()]
        except UnicodeDecodeError as error:
            yield f"annotation list {path.absolute()} of {phase}_dataloader is not UTF-8: {error}"
            return
        items = [folder / line[0].strip() for line in lines]
        found = map(video_file if name == "video" else str, items)
        if items and not any(map(os.path.exists, found)):
            yield f"video {items[0].absolute()} of {path} {where}"


def _missing_weights(name: str, source: str) -> Iterator[str]:
    if not source.startswith(("http://", "https://")):
        is_name = name != "load_from" and not Path(source).suffix  # as "ViT-B/16"
        if "://" not in source and not os.path.isfile(os.path.expanduser(source)) and not is_name:
            yield f"{name} {source} is missing; set it to a checkpoint, or to None"
        return
    cached = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(source).path).name)
    if cached.is_file():
        return
    try:
        urlopen(source, timeout=20).close()
    except OSError as error:
        yield (
            f"{name} {source} cannot be downloaded ({error}); without a network put the file at "
            f"{cached}, or give --cfg-options {name}=None to start without it"
        )
