"""What the five readers share: text, labels, media on disk, problems, all-or-nothing output."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from f4d_mmaction.engine.checkpoints import AtomicBackend

#: With one of these the meaning of an entry is unknown, so no list may be written.
FATAL = (
    "malformed line",
    "misspelled label",
    "conflicting label",
    "in train and val",
    "too many classes",
    "delimiter in name",
    "nothing left",
)
#: With these the entry is left out (or kept once) and counted.
LEFT_OUT = ("missing", "empty", "incomplete")
SHOWN = 5


class PreparationError(ValueError):
    """The official files cannot be turned into lists; nothing was written.

    `problems` holds every single problem, the message only counts and the first few of each.
    """

    def __init__(self, message: str, problems: Problems) -> None:
        super().__init__(message)
        self.problems = problems


@dataclass
class Problems:
    """Everything found wrong, by kind, in the order it was met."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, message: str) -> None:
        """Note one problem."""
        self.found.setdefault(kind, []).append(message)

    def count(self, kind: str) -> int:
        """How many problems of this kind there are."""
        return len(self.found.get(kind, ()))

    def lines(self) -> list[str]:
        """Every problem as one line `kind: message`."""
        return [f"{kind}: {text}" for kind, texts in self.found.items() for text in texts]

    def summary(self) -> str:
        """Counts of each kind with the first few cases."""
        blocks = []
        for kind, texts in self.found.items():
            more = [f"  ... and {len(texts) - SHOWN} more"] if len(texts) > SHOWN else []
            blocks += [f"{kind}: {len(texts)}", *(f"  {text}" for text in texts[:SHOWN]), *more]
        return "\n".join(blocks)


@dataclass(frozen=True)
class Sample:
    """One annotated video: its name in the official file, its class, and where it was read."""

    name: str
    label: int
    source: str


@dataclass(frozen=True)
class Annotations:
    """Class names in label order, and the samples of the train and val subsets."""

    classes: Sequence[str]
    subsets: Mapping[str, Sequence[Sample]]


@dataclass(frozen=True)
class Summary:
    """What `prepare` did: files written, lines in each list, problems tolerated, in words."""

    written: Mapping[str, Path]
    counts: Mapping[str, int]
    problems: Problems
    text: str


class LabelIndex:
    """Class names to label numbers, with the nearest spelling for a name that is not there."""

    def __init__(self, classes: Iterable[str]) -> None:
        self.numbers = {name: number for number, name in enumerate(classes)}

    def number(self, name: str, source: str, problems: Problems) -> int | None:
        """The label of `name`, or None and a problem that names the nearest spelling."""
        if name in self.numbers:
            return self.numbers[name]
        problems.add(
            "misspelled label", f"{source}: {name!r} is no class{nearest(name, self.numbers)}"
        )
        return None


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """`; nearest: '...'` for the closest known spelling, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; nearest: {close[0]!r}" if close else ""


def find_annotation(folder: Path, *names: str) -> Path:
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
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}:{line}: not UTF-8 (byte 0x{raw[error.start]:02x}); convert the file, "
            "for example with `iconv -f latin1 -t utf-8`"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Non-blank lines, stripped, each with its source `file:line`."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield line.strip(), f"{path.name}:{number}"


def drop_duplicates(subsets: Mapping[str, list[Sample]], problems: Problems) -> None:
    """Keep the first of equal entries; contradicting ones and train/val overlaps are fatal."""
    seen: dict[str, tuple[str, Sample]] = {}
    for subset, samples in subsets.items():
        kept = []
        for sample in samples:
            before, first = seen.setdefault(sample.name, (subset, sample))
            if first is sample:
                kept.append(sample)
                continue
            message = f"{sample.source}: {sample.name}, first at {first.source}"
            if before != subset:
                problems.add("in train and val", message)
            elif first.label != sample.label:
                problems.add(
                    "conflicting label", f"{message} with label {first.label}, now {sample.label}"
                )
            else:
                problems.add("duplicate", message)
        samples[:] = kept


def media_below(root: Path, extensions: Sequence[str]) -> list[str]:
    """Files with one of the extensions in a folder and two levels of folders below, sorted."""
    return sorted(
        path.relative_to(root).as_posix()
        for pattern in ("*", "*/*", "*/*/*")
        for path in root.glob(pattern)
        if path.suffix.lower() in extensions and path.is_file()
    )


def count_frames(folder: Path, filename_tmpl: str) -> tuple[int, list[int]]:
    """Return the number of the last frame in a folder, counted from 1, and the missing ones.

    Only files named by the template, a number and an ending, count; an empty file is missing.
    """
    present = {
        int(path.stem)
        for path in folder.iterdir()
        if path.stem.isdecimal()
        and filename_tmpl.format(int(path.stem)) == path.name
        and path.stat().st_size > 0
    }
    last = max(present, default=0)
    return last, [index for index in range(1, last) if index not in present]


def write_together(folder: Path, files: Mapping[str, str]) -> None:
    """Write all files or none: all of them beside the folder's own first, then renamed.

    Raises:
        ValueError: a text holds what UTF-8 cannot encode.
        OSError: a file cannot be written; those of before stand.
    """
    contents = {name: _encode(text) for name, text in files.items()}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
        for name, content in contents.items():
            AtomicBackend().put(content, Path(part) / name)
        for name in contents:
            os.replace(Path(part) / name, folder / name)


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        near = text[max(0, error.start - 30) : error.end + 30]
        raise ValueError(f"a name that UTF-8 cannot hold near {near!r}: rename it") from None
