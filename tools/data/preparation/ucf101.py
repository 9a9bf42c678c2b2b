"""UCF101: `classInd.txt` counting from 1, `trainlist01.txt`, and `testlist01.txt` unlabeled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .core import Annotations, LabelIndex, Problems, Sample, find_annotation, numbered_lines


def read_annotations(
    folder: Path, problems: Problems, split: int | None, classes: Sequence[str] | None
) -> Annotations:
    """Read one of the three splits; a sample's name is `Class/v_Class_g01_c01.avi`."""
    if classes is None:
        classes = _classes(find_annotation(folder, "classInd.txt"))
    index = LabelIndex(classes)
    subsets = {
        subset: _read(find_annotation(folder, f"{name}{split:02d}.txt"), labeled, index, problems)
        for subset, name, labeled in (("train", "trainlist", True), ("val", "testlist", False))
    }
    return Annotations(classes, subsets)


def _classes(path: Path) -> list[str]:
    names = []
    for line, source in numbered_lines(path):
        number, _, name = line.partition(" ")
        if number != str(len(names) + 1) or not name.strip():
            raise ValueError(f"{source}: {line!r}, expected '{len(names) + 1} ClassName'")
        names.append(name.strip())
    return names


def _read(path: Path, labeled: bool, index: LabelIndex, problems: Problems) -> list[Sample]:
    expected = "'Class/video.avi number'" if labeled else "'Class/video.avi'"
    samples = []
    for line, source in numbered_lines(path):
        name, *number = line.split()
        if len(number) != labeled or name.count("/") != 1 or not all(map(str.isdecimal, number)):
            problems.add("malformed line", f"{source}: {line!r}, expected {expected}")
            continue
        label = index.number(name.split("/")[0], source, problems)
        if label is None:
            continue
        if number and int(number[0]) != label + 1:
            problems.add(
                "conflicting label",
                f"{source}: {name} is numbered {number[0]}, classInd.txt says {label + 1}",
            )
            continue
        samples.append(Sample(name, label, source))
    return samples
