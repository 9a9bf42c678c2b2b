"""HMDB51: one `{class}_test_split{n}.txt` a class; 1 is training, 2 is testing, 0 is unused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .core import Annotations, LabelIndex, Problems, Sample, find_annotation, numbered_lines

SUBSETS = {"0": None, "1": "train", "2": "val"}


def read_annotations(
    folder: Path, problems: Problems, split: int | None, classes: Sequence[str] | None
) -> Annotations:
    """Read one of the three splits; a sample's name is `class/video.avi`.

    The classes are those with a file of any split, sorted, so that a file lost from one split
    is an error (FileNotFoundError) and not a shift of every label behind it.
    """
    if classes is None:
        names = (re.fullmatch(r"(.+)_test_split[1-3]\.txt", path.name) for path in folder.iterdir())
        classes = sorted({match[1] for match in names if match})
    if not classes:
        find_annotation(folder, f"brush_hair_test_split{split}.txt")
    index = LabelIndex(classes)
    subsets: dict[str, list[Sample]] = {"train": [], "val": []}
    for name in classes:
        path = find_annotation(folder, f"{name}_test_split{split}.txt")
        for line, source in numbered_lines(path):
            video, _, use = line.rpartition(" ")
            if use not in SUBSETS or not video.strip():
                problems.add("malformed line", f"{source}: {line!r}, expected 'name.avi 0|1|2'")
            elif SUBSETS[use]:
                sample = Sample(f"{name}/{video.strip()}", index.numbers[name], source)
                subsets[SUBSETS[use]].append(sample)
    return Annotations(classes, subsets)
