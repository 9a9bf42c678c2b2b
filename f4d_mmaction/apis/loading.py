"""A trained recognizer from a config and a checkpoint, whole or not at all, with label names."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader

from ..datasets.unwrapping import known_names, tested_dataset
from ..models.weights import load_checked, load_whole

Labels = str | os.PathLike | Sequence[str] | None


def load_recognizer(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    device: str | torch.device | None = None,
    labels: Labels = None,
) -> BaseModel:
    """Build a recognizer, load all of its weights and find the names of its classes.

    MMAction2's ``init_recognizer`` also loads our checkpoints, but runs half-loaded models with a
    warning; this refuses them. The model is in evaluation mode, with ``cfg`` and ``class_names``.

    Args:
        config: Config or its path.
        checkpoint: Path or URL.
        device: CUDA where there is one, if not given.
        labels: Names of the classes, or a text file with a name a line. If not given: those in the
            checkpoint, else those in ``classes.txt`` or ``label_map.txt`` beside the config's
            annotation file, else 'class 0', 'class 1', ...

    Raises:
        FileNotFoundError: no such config, checkpoint or label file.
        DamagedCheckpointError: the file is no checkpoint.
        ForeignCheckpointError: it is one of another model; the message names the keys.
        ValueError: a wrong number of labels, or one for several classes; no such device.
    """
    if not isinstance(config, Config):
        config = Config.fromfile(_existing(config, "config"))
    best = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device or best)
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f"device {device}: {str(error).splitlines()[0]}") from error
    model, path = init_recognizer(config, None, device or best), str(checkpoint)
    loaded = CheckpointLoader.load_checkpoint(path, "cpu") if "://" in path else load_checked(path)
    load_whole(model, loaded, path)
    model.class_names = class_names(model, labels, loaded.get("meta"))
    return model


def class_names(model: BaseModel, labels: Labels = None, meta: dict | None = None) -> list[str]:
    """Return the name of each class; where they come from says :func:`load_recognizer`.

    Raises:
        FileNotFoundError: no such label file.
        ValueError: more or fewer names than classes, or one name for several.
    """
    count, source = model.cls_head.num_classes, "labels"
    if isinstance(labels, (str, os.PathLike)):
        source = str(labels)
        labels = read_lines(_existing(labels, "label file"))
    if labels is None:
        source = "the checkpoint"
        labels = known_names((meta or {}).get("dataset_meta"))
    if labels is None and (path := _classes_file(model.cfg)):
        source, labels = str(path), read_lines(path)
    if labels is None:
        return [f"class {index}" for index in range(count)]
    if len(labels) != count:
        raise ValueError(
            f"{source} names {len(labels)} classes, the model tells {count} apart; a label file "
            "has one name a line, in the order of the labels"
        )
    if twice := [name for name, times in Counter(labels).items() if times > 1]:
        raise ValueError(f"{source} names several classes {twice[0]!r}; each needs its own name")
    return list(labels)


def _classes_file(config: Config) -> Path | None:
    """``classes.txt`` of the benchmark, ``label_map.txt`` of ``tools/data/prepare.py``."""
    dataset = tested_dataset(config)
    names = ("classes.txt", "label_map.txt") if dataset.get("ann_file") else ()
    folder = Path(dataset.get("data_root") or "", dataset.get("ann_file") or "").parent
    return next(filter(Path.is_file, map(folder.joinpath, names)), None)


def _existing(path: str | os.PathLike, what: str) -> Path:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{what} {path} does not exist, or is no file")
    return Path(path)


def read_lines(path: Path) -> list[str]:
    """The lines of a text that are not blank; ``ValueError`` if it is not in UTF-8."""
    try:
        return list(filter(None, map(str.strip, path.read_text("utf-8-sig").splitlines())))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: {error}; save it as one") from None
