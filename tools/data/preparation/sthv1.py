"""Something-Something v1: `id;label text` lines, a list of labels, folders of jpg frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .core import Annotations, LabelIndex, Problems, Sample, find_annotation, numbered_lines

FILES = {
    "train": "something-something-v1-train.csv",
    "val": "something-something-v1-validation.csv",
}


def read_annotations(
    folder: Path, problems: Problems, split: int | None, classes: Sequence[str] | None
) -> Annotations:
    """Read the three semicolon files; a sample's name is its id, the name of its frame folder."""
    if classes is None:
        labels = find_annotation(folder, "something-something-v1-labels.csv")
        classes = [line for line, _ in numbered_lines(labels)]
    index = LabelIndex(classes)
    subsets = {
        subset: _read(find_annotation(folder, name), index, problems)
        for subset, name in FILES.items()
    }
    return Annotations(classes, subsets)


def _read(path: Path, index: LabelIndex, problems: Problems) -> list[Sample]:
    samples = []
    for line, source in numbered_lines(path):
        video, semicolon, text = (part.strip() for part in line.partition(";"))
        if not (video and semicolon and text) or "/" in video or " " in video:
            problems.add("malformed line", f"{source}: {line!r}, expected 'id;label text'")
            continue
        label = index.number(text, source, problems)
        if label is not None:
            samples.append(Sample(video, label, source))
    return samples
