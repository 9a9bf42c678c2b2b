"""Something-Something v2: JSON entries with templates, a JSON map of labels, webm videos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .core import Annotations, LabelIndex, Problems, Sample, find_annotation, read_text

PREFIX = "something-something-v2-"


def read_annotations(
    folder: Path, problems: Problems, split: int | None, classes: Sequence[str] | None
) -> Annotations:
    """Read labels, train and validation; a sample's name is `{id}.webm`.

    The files are accepted under their full names and as `labels.json`, `train.json`,
    `validation.json` (both have been published). Raises ValueError where a file is no JSON.
    """
    if classes is None:
        classes = _classes(_find(folder, "labels.json"))
    index = LabelIndex(classes)
    subsets = {
        subset: _read(_find(folder, name), index, problems)
        for subset, name in (("train", "train.json"), ("val", "validation.json"))
    }
    return Annotations(classes, subsets)


def _find(folder: Path, name: str) -> Path:
    return find_annotation(folder, PREFIX + name, name)


def _load(path: Path, kind: type) -> Any:
    try:
        value = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: no JSON ({error.msg})") from None
    if not isinstance(value, kind):
        raise ValueError(f"{path}: expected a JSON {kind.__name__}, got {type(value).__name__}")
    return value


def _classes(path: Path) -> list[str]:
    """Templates in the order of their numbers, which the file holds as strings."""
    numbers = _load(path, dict)
    if sorted(map(str, numbers.values())) != sorted(map(str, range(len(numbers)))):
        raise ValueError(f"{path}: expected each of the numbers 0 to {len(numbers) - 1} once")
    return sorted(numbers, key=lambda name: int(numbers[name]))


def _read(path: Path, index: LabelIndex, problems: Problems) -> list[Sample]:
    samples = []
    for number, entry in enumerate(_load(path, list)):
        source = f"{path.name}[{number}]"
        if not isinstance(entry, dict) or not {"id", "template"} <= entry.keys():
            problems.add("malformed line", f"{source}: {entry!r}, expected 'id' and 'template'")
            continue
        # [something] marks a place in the sentence; the label map has it without brackets
        template = str(entry["template"]).replace("[", "").replace("]", "").strip()
        label = index.number(template, f"{source} (id {entry['id']})", problems)
        if label is not None:
            samples.append(Sample(f"{entry['id']}.webm", label, source))
    return samples
