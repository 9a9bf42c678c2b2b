"""The official annotation files of the five datasets, as each publishes them.

`READERS` holds what differs between the datasets: how entries are read and which classes there are.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation_lists import decode


@dataclass(frozen=True)
class Entry:
    """One annotated video: its name on disk, its class, and the file and line that say so.

    `number` is the class number where the line holds one, counted from 0.
    """

    subset: str
    name: str
    label: str
    source: str
    number: int | None = None


@dataclass(frozen=True)
class Reader:
    """How a dataset's official files are read.

    `entries(folder, split)` yields an Entry for each line, or a message for a malformed one.
    `classes(folder, entries)` returns the names of the classes in label order.
    """

    entries: Callable[[Path, int | None], Iterator[Entry | str]]
    classes: Callable[[Path, Sequence[Entry]], list[str]]


def find_file(folder: Path, *names: str) -> Path:
    """The first of `names` in `folder`; FileNotFoundError telling all of them otherwise."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"no {' or '.join(names)} in {folder}: give the folder of the official annotation files"
    )


def read_text(path: Path) -> str:
    """The text of an official file: UTF-8, with or without a byte order mark, any line ends.

    Raises ValueError naming the line where the bytes are no UTF-8.
    """
    text, findings = decode(path)
    for finding in findings:
        if finding.kind == "not UTF-8":
            raise ValueError(f"{finding.where}: not UTF-8: {finding.message}")
    return text


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Non-blank lines, stripped, each with its source `file:line`."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield line.strip(), f"{path.name}:{number}"


def _sthv1_entries(folder: Path, split: int | None) -> Iterator[Entry | str]:
    """`id;label text`, where the id is the name of the frame folder."""
    for subset, name in (("train", "train"), ("val", "validation")):
        for line, source in numbered_lines(find_file(folder, f"something-something-v1-{name}.csv")):
            video, _, label = (part.strip() for part in line.partition(";"))
            if video and label and not {"/", " "} & {*video}:
                yield Entry(subset, video, label, source)
            else:
                yield f"{source}: {line!r}, expected 'id;label text'"


def _sthv1_classes(folder: Path, entries: Sequence[Entry]) -> list[str]:
    path = find_file(folder, "something-something-v1-labels.csv")
    return [line for line, _ in numbered_lines(path)]


def _sthv2_entries(folder: Path, split: int | None) -> Iterator[Entry | str]:
    """A list of objects with an id and a template, in which [something] marks a place."""
    for subset, name in (("train", "train.json"), ("val", "validation.json")):
        path, entries = _sthv2_json(folder, name, list)
        for number, entry in enumerate(entries):
            source = f"{path.name}[{number}]"
            if isinstance(entry, dict) and {"id", "template"} <= entry.keys():
                label = str(entry["template"]).replace("[", "").replace("]", "").strip()
                yield Entry(subset, f"{entry['id']}.webm", label, f"{source} (id {entry['id']})")
            else:
                yield f"{source}: {entry!r}, expected 'id' and 'template'"


def _sthv2_classes(folder: Path, entries: Sequence[Entry]) -> list[str]:
    """Templates in the order of their numbers, which the file holds as strings."""
    path, numbers = _sthv2_json(folder, "labels.json", dict)
    if sorted(map(str, numbers.values())) != sorted(map(str, range(len(numbers)))):
        raise ValueError(f"{path}: expected each of the numbers 0 to {len(numbers) - 1} once")
    return sorted(numbers, key=lambda name: int(numbers[name]))


def _sthv2_json(folder: Path, name: str, kind: type) -> tuple[Path, Any]:
    """Read a file that has been published with and without the dataset's name."""
    path = find_file(folder, f"something-something-v2-{name}", name)
    try:
        value = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: no JSON ({error.msg})") from None
    if not isinstance(value, kind):
        raise ValueError(f"{path}: expected a JSON {kind.__name__}, got {type(value).__name__}")
    return path, value


def _kinetics_entries(folder: Path, split: int | None) -> Iterator[Entry | str]:
    """CSV of YouTube ids and seconds; a name is `{id}_{start:06d}_{end:06d}`, any extension."""
    columns = ["label", "youtube_id", "time_start", "time_end", "split"]
    for subset, *others in (("train",), ("val", "validate.csv")):
        lead = ("", "kinetics_", "kinetics-400_")
        path = find_file(folder, *(f"{word}{subset}.csv" for word in lead), *others)
        reader = csv.DictReader(io.StringIO(read_text(path)))
        try:
            header = list(reader.fieldnames or ())
            if header[: len(columns)] != columns:
                found, expected = ",".join(header), ",".join(columns)
                raise ValueError(f"{path}:1: header is {found!r}, expected {expected!r}")
            for row in reader:
                source = f"{path.name}:{reader.line_num}"
                if name := _kinetics_name(row):
                    yield Entry(subset, name, row["label"].strip(), source)
                else:
                    values = [value for value in row.values() if value is not None]
                    yield f"{source}: {values}, expected {','.join(header)}"
        except csv.Error as error:
            raise ValueError(f"{path}:{reader.line_num}: no CSV ({error})") from None


def _kinetics_name(row: dict) -> str | None:
    """The name of a row's video; None where the row has too many or too few fields, or no times."""
    if None in row or None in row.values() or not row["youtube_id"].strip():
        return None
    try:
        start, end = (int(float(row[key])) for key in ("time_start", "time_end"))
    except (ValueError, OverflowError):
        return None
    return f"{row['youtube_id'].strip()}_{start:06d}_{end:06d}"


def _kinetics_classes(folder: Path, entries: Sequence[Entry]) -> list[str]:
    """The labels of the training file in MMAction2's order: blanks sorted as underscores."""
    labels = {entry.label for entry in entries if entry.subset == "train"}
    return sorted(labels, key=lambda label: label.replace(" ", "_"))


def _ucf101_entries(folder: Path, split: int | None) -> Iterator[Entry | str]:
    """`Class/video.avi number` counted from 1 in training, without the number in testing."""
    for subset, name, fields in (("train", "trainlist", 2), ("val", "testlist", 1)):
        for line, source in numbered_lines(find_file(folder, f"{name}{split:02d}.txt")):
            video, *number = line.split()
            label, _, file = video.partition("/")
            sound = len(number) + 1 == fields and all(map(str.isdecimal, number))
            if sound and file and "/" not in file:
                stated = int(number[0]) - 1 if number else None
                yield Entry(subset, video, label, source, stated)
            else:
                yield f"{source}: {line!r}, expected 'Class/video.avi{' number' * (fields - 1)}'"


def _ucf101_classes(folder: Path, entries: Sequence[Entry]) -> list[str]:
    names: list[str] = []
    for line, source in numbered_lines(find_file(folder, "classInd.txt")):
        number, _, name = line.partition(" ")
        if number != str(len(names) + 1) or not name.strip():
            raise ValueError(f"{source}: {line!r}, expected '{len(names) + 1} ClassName'")
        names.append(name.strip())
    return names


def _hmdb51_entries(folder: Path, split: int | None) -> Iterator[Entry | str]:
    """A file a class of `video.avi use`, where 1 is training, 2 is testing and 0 is unused."""
    subsets = {"0": None, "1": "train", "2": "val"}
    for label in _hmdb51_classes(folder):
        for line, source in numbered_lines(find_file(folder, f"{label}_test_split{split}.txt")):
            video, _, use = line.rpartition(" ")
            if use not in subsets or not video.strip():
                yield f"{source}: {line!r}, expected 'name.avi 0|1|2'"
            elif subset := subsets[use]:
                yield Entry(subset, f"{label}/{video.strip()}", label, source)


def _hmdb51_classes(folder: Path, entries: Sequence[Entry] = ()) -> list[str]:
    """The classes with a file of any split: one lost from a split shifts no label behind it.

    Without any file, the first class, whose file is then missed by name.
    """
    matches = (re.fullmatch(r"(.+)_test_split[1-3]\.txt", path.name) for path in folder.iterdir())
    return sorted({match[1] for match in matches if match}) or ["brush_hair"]


READERS = {
    "sthv1": Reader(_sthv1_entries, _sthv1_classes),
    "sthv2": Reader(_sthv2_entries, _sthv2_classes),
    "kinetics400": Reader(_kinetics_entries, _kinetics_classes),
    "ucf101": Reader(_ucf101_entries, _ucf101_classes),
    "hmdb51": Reader(_hmdb51_entries, _hmdb51_classes),
}
