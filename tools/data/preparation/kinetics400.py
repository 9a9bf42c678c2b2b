"""Kinetics-400: CSV files of YouTube ids and times, `{id}_{start:06d}_{end:06d}.mp4` videos."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from .core import Annotations, LabelIndex, Problems, Sample, find_annotation, read_text

COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
#: Downloaders do not always end with mp4; what counts is the name before the dot.
EXTENSIONS = (".mp4", ".mkv", ".webm", ".avi")
FILES = {
    "train": ("train.csv", "kinetics_train.csv", "kinetics-400_train.csv"),
    "val": ("val.csv", "validate.csv", "kinetics_val.csv", "kinetics-400_val.csv"),
}


def read_annotations(
    folder: Path, problems: Problems, split: int | None, classes: Sequence[str] | None
) -> Annotations:
    """Read train and val; a sample's name is the video's file name without its ending.

    Kinetics has no list of classes: unless `classes` is given it is the sorted labels of the
    training file, in MMAction2's order (blanks sorted as underscores).
    """
    paths = {subset: find_annotation(folder, *names) for subset, names in FILES.items()}
    rows = {subset: list(_rows(path, problems)) for subset, path in paths.items()}
    if classes is None:
        labels = {row["label"] for row, _ in rows["train"]}
        classes = sorted(labels, key=lambda label: label.replace(" ", "_"))
    index = LabelIndex(classes)
    subsets = {
        subset: [
            Sample(_name(row), label, source)
            for row, source in rows[subset]
            if (label := index.number(row["label"], source, problems)) is not None
        ]
        for subset in paths
    }
    return Annotations(classes, subsets)


def _rows(path: Path, problems: Problems) -> Iterator[tuple[dict[str, str], str]]:
    reader = csv.DictReader(io.StringIO(read_text(path)))
    header = tuple(reader.fieldnames or ())
    if header[: len(COLUMNS)] != COLUMNS:
        raise ValueError(
            f"{path}:1: header is {','.join(header)!r}, expected {','.join(COLUMNS)!r}"
        )
    for row in _readable(reader, path):
        source = f"{path.name}:{reader.line_num}"
        if None in row or None in row.values() or not row["youtube_id"] or not _times(row):
            values = [value for value in row.values() if value is not None]
            problems.add("malformed line", f"{source}: {values}, expected {','.join(header)}")
        else:
            yield {key: value.strip() for key, value in row.items()}, source


def _readable(reader: csv.DictReader, path: Path) -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise ValueError(f"{path}:{reader.line_num}: no CSV ({error})") from None


def _times(row: dict[str, str]) -> tuple[int, int] | None:
    try:
        return int(float(row["time_start"])), int(float(row["time_end"]))
    except (ValueError, OverflowError):
        return None


def _name(row: dict[str, str]) -> str:
    start, end = _times(row)
    return f"{row['youtube_id']}_{start:06d}_{end:06d}"
