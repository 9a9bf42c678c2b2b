"""Read an MMAction2 annotation list line by line and tell apart everything wrong with it.

MMAction2's own parsers split on a delimiter and take what comes: a list separated by tabs loses
all its labels (every video becomes class -1) without a word, a blank in a name is a ValueError
without file or line. Here each such line is named, with what the host would make of it and what
to do. Where `read_list` finds no error, the host's parser reads the same entries (a test).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Entry", "Finding", "ListFormat", "read_list"]


@dataclass(frozen=True)
class ListFormat:
    """How a dataset config reads its list.

    `rawframes` lines are `folder [offset] frames label`, others `video<delimiter>label`;
    `multi_class` allows several labels a line. `num_classes` None leaves labels unbounded.
    """

    rawframes: bool = False
    delimiter: str = " "
    with_offset: bool = False
    multi_class: bool = False
    num_classes: int | None = None


@dataclass(frozen=True)
class Entry:
    """One good line: `total_frames` is None for videos."""

    name: str
    labels: tuple[int, ...]
    line: int
    total_frames: int | None = None
    offset: int = 0


@dataclass(frozen=True)
class Finding:
    """Something wrong: an error changes what is trained on, a warning does no harm here."""

    kind: str
    where: str
    message: str
    error: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}: {self.message}"


class _BadLineError(Exception):
    """Carries the kind and remedy of a line that cannot be used."""


def read_list(path: str | Path, form: ListFormat) -> tuple[list[Entry], list[Finding]]:
    """Good entries and findings of one list; FileNotFoundError where there is no such file."""
    path = Path(path)
    text, findings = _decode(path)
    entries: list[Entry] = []
    first_lines: dict[str, Entry] = {}
    for number, line in enumerate(_split_lines(text), start=1):
        where = f"{path}:{number}"
        findings += [Finding(kind, where, text, error=False) for kind, text in _blemishes(line)]
        try:
            entry = _parse(line, number, form)
        except _BadLineError as bad:
            findings.append(Finding(*bad.args[:1], where, *bad.args[1:]))
            continue
        entries.append(entry)
        key = f"{entry.name} {entry.offset}"
        first = first_lines.setdefault(key, entry)
        if first is not entry:
            same = first.labels == entry.labels
            message = f"{entry.name!r} is also in line {first.line}"
            findings.append(
                Finding("duplicate line", where, f"{message}; delete one")
                if same
                else Finding("conflicting labels", where, f"{message}, labelled {first.labels}")
            )
    return entries, findings


def _decode(path: Path) -> tuple[str, list[Finding]]:
    """The text, and what its bytes say: encoding, byte order mark, line ends."""
    raw, findings = path.read_bytes(), []
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{raw[error.start]:02x}; convert with `iconv -f latin1 -t utf-8`"
        findings.append(Finding("not UTF-8", f"{path}:{line}", message))
        text = raw.decode("utf-8", errors="replace")
    if text.startswith("\ufeff"):
        text = text[1:]
        message = "MMAction2 reads it as part of the first name; save without it"
        findings.append(Finding("byte order mark", f"{path}:1", message))
    if "\r" in text:
        line = text[: text.index("\r")].count("\n") + 1
        message = "harmless here; `sed -i 's/\\r$//'` removes them"
        findings.append(Finding("Windows line ends", f"{path}:{line}", message, error=False))
    return text.replace("\r\n", "\n").replace("\r", "\n"), findings


def _split_lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _blemishes(line: str) -> list[tuple[str, str]]:
    """Warnings about a line that the host reads all the same."""
    if not line.strip():
        return []
    found = []
    if line != line.rstrip():
        found.append(("trailing blank", "harmless here, other readers may stumble"))
    if "\t" in line.strip():
        found.append(("tab", "a tab in the line"))
    return found


def _parse(line: str, number: int, form: ListFormat) -> Entry:
    if not line.strip():
        raise _BadLineError(
            "blank line", "MMAction2 makes a nameless video of it or stops; delete it"
        )
    if "\0" in line:
        raise _BadLineError("NUL byte", "no file name holds one; write the line again")
    if form.rawframes:
        return _parse_rawframes(line, number, form)
    return _parse_video(line, number, form)


def _parse_video(line: str, number: int, form: ListFormat) -> Entry:
    name, *labels = line.strip().split(form.delimiter)
    remedy = _other_delimiter(line, form.delimiter)
    if not labels:
        remedy = remedy or f"expected 'name{form.delimiter}label'"
        raise _BadLineError("no label", f"{remedy}; MMAction2 would label it -1 without a word")
    if "" in (name, *labels):
        raise _BadLineError("empty field", f"{form.delimiter!r} twice in a row, or at an end")
    if len(labels) > 1 and not form.multi_class:
        raise _BadLineError("wrong number of fields", _too_many_fields(labels, form.delimiter))
    if name != name.strip():
        raise _BadLineError("blank around a name", f"MMAction2 looks for {name!r}; delete it")
    return Entry(name, tuple(_label(text, form, remedy) for text in labels), number)


def _other_delimiter(line: str, delimiter: str) -> str | None:
    """The remedy where a line ends as if another delimiter stood before its label."""
    for other in "\t,; ":
        if other != delimiter and re.search(rf"\S{other}[0-9]+$", line.strip()):
            return f"fields look parted by {other!r}: set delimiter={other!r} in the config"
    return None


def _too_many_fields(labels: list[str], delimiter: str) -> str:
    fields = len(labels) + 1
    if delimiter == " " and re.fullmatch(r"\d+", labels[-1]):
        return (
            f"{fields} instead of 2, probably spaces in the name: write the list with ',' "
            "between name and label and set delimiter=',' in the config, or rename the file"
        )
    return f"{fields} instead of 2 ('name{delimiter}label')"


def _parse_rawframes(line: str, number: int, form: ListFormat) -> Entry:
    fields = line.split()
    lead = 2 + form.with_offset
    shape = "folder offset frames label" if form.with_offset else "folder frames label"
    if len(fields) == lead and all(map(str.isdecimal, fields[1:])):
        raise _BadLineError("no label", f"expected '{shape}'; MMAction2 would label it -1 silently")
    if len(fields) <= lead:
        raise _BadLineError("wrong number of fields", f"{len(fields)}, expected '{shape}'")
    name, *numbers = fields
    if len(fields) > lead + 1 and not (form.multi_class and _all_digits(numbers)):
        hint = "" if _all_digits(numbers) else ", probably spaces in the name: rename the folder"
        raise _BadLineError("wrong number of fields", f"{len(fields)}, expected '{shape}'{hint}")
    counts = numbers[: lead - 1]
    if not _all_digits(counts) or int(counts[-1]) == 0:
        raise _BadLineError("bad frame count", f"{' '.join(counts)!r}, expected '{shape}'")
    labels = tuple(_label(text, form) for text in numbers[lead - 1 :])
    offset = int(counts[0]) if form.with_offset else 0
    return Entry(name, labels, number, int(counts[-1]), offset)


def _all_digits(fields: list[str]) -> bool:
    return all(re.fullmatch(r"[0-9]+", text) for text in fields)


def _label(text: str, form: ListFormat, remedy: str | None = None) -> int:
    text = text.strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        remedy = remedy or "write the class number, counted from 0"
        raise _BadLineError("label is no number", f"{text!r}; {remedy}")
    label = int(text)
    if label < 0 or (form.num_classes is not None and label >= form.num_classes):
        last = "" if form.num_classes is None else f" to {form.num_classes - 1}"
        one = " (are labels counted from 1?)" if label == form.num_classes else ""
        raise _BadLineError("label out of range", f"{label}, expected 0{last}{one}")
    return label
