"""Name the lines of an annotation list that MMAction2 misreads, silently or with a bare error.

MMAction2's parsers split at a delimiter and check nothing: a list with tabs loses all its labels
(every video becomes class -1), and a space in a name is a ValueError without file or line.
"""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ListFormat:
    """How a dataset's config reads its list.

    Lines are ``video<delimiter>label``, or with ``rawframes`` ``folder [offset] frames label``;
    ``multi_class`` allows several labels. ``num_classes`` None leaves labels unbounded.
    """

    rawframes: bool = False
    delimiter: str = " "
    with_offset: bool = False
    multi_class: bool = False
    num_classes: int | None = None

    @property
    def shape(self) -> str:
        """A line as it should be."""
        if self.rawframes:
            return "folder offset frames label" if self.with_offset else "folder frames label"
        return f"name{self.delimiter}label"

    def split(self, line: str) -> tuple[str, list[str], list[str]]:
        """Return the name, the frame counts and the labels of a line, as MMAction2 splits it."""
        fields = line.split() if self.rawframes else line.strip().split(self.delimiter)
        lead = 2 + self.with_offset if self.rawframes else 1
        return fields[0], fields[1:lead], fields[lead:]


@dataclass(frozen=True)
class Finding:
    """Something wrong: an error changes what is trained on, a warning is harmless."""

    kind: str
    where: str
    message: str
    error: bool = True


def read_list(path: str | Path, form: ListFormat) -> tuple[list[str], list[Finding]]:
    """Return the lines that MMAction2 reads as intended, and the errors in the others.

    Raises:
        FileNotFoundError: there is no such file.
    """
    text, findings = decode(Path(path))
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    good: list[str] = []
    first: dict[tuple, tuple[int, list[str]]] = {}
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        if line.strip() and line != line.rstrip():
            findings.append(Finding("trailing blank", where, "harmless here", error=False))
        if "\t" in line.strip() and form.delimiter != "\t":
            findings.append(Finding("tab", where, "a tab in the line", error=False))
        if fault := _fault(line, form):
            findings.append(Finding(fault[0], where, fault[1]))
            continue
        good.append(line)
        name, counts, labels = form.split(line)
        earlier, former = first.setdefault((name, *counts[:-1]), (number, labels))
        also = f"{name!r} is also in line {earlier}"
        if former != labels:
            findings.append(Finding("conflicting labels", where, f"{also}, labeled {former}"))
        elif earlier != number:
            findings.append(Finding("duplicate line", where, f"{also}; delete one"))
    return good, findings


def decode(path: Path) -> tuple[str, list[Finding]]:
    """Return the text, and findings on its encoding, byte order mark and line endings."""
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


def _fault(line: str, form: ListFormat) -> tuple[str, str] | None:
    """Return why MMAction2 does not read a line as intended: (kind, message with remedy)."""
    if not line.strip():
        return "blank line", "MMAction2 makes a nameless video of it or stops; delete it"
    if "\0" in line:
        return "NUL byte", "no file name holds one; write the line again"
    name, counts, labels = form.split(line)
    if not labels:
        return "no label", f"{_remedy(line, form)}; MMAction2 would label it -1 without a word"
    if "" in (name, *labels):
        return "empty field", f"{form.delimiter!r} twice in a row, or at an end"
    if len(labels) > 1 and not form.multi_class:
        return "wrong number of fields", _remedy(line, form)
    if name != name.strip():
        return "blank around a name", f"MMAction2 looks for {name!r}; delete it"
    if counts and not (all(re.fullmatch("[0-9]{1,18}", n) for n in counts) and int(counts[-1])):
        return "bad frame count", f"{' '.join(counts)!r}, {_remedy(line, form)}"
    for text in map(str.strip, labels):
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            return "label is no number", f"{text!r}; classes count from 0; {_remedy(line, form)}"
        if int(text) < 0 or (form.num_classes is not None and int(text) >= form.num_classes):
            last = "" if form.num_classes is None else f" to {form.num_classes - 1}"
            one = " (are labels counted from 1?)" if int(text) == form.num_classes else ""
            return "label out of range", f"{text}, expected 0{last}{one}"
    return None


def _remedy(line: str, form: ListFormat) -> str:
    """What to do where a line does not split into the fields expected."""
    expected = f"expected {form.shape!r}"
    if form.rawframes:
        return f"{expected}; with spaces in the name: rename the folder"
    for other in "\t,; ":
        if other != form.delimiter and re.search(rf"\S{other}[0-9]+$", line.strip()):
            return f"fields look separated by {other!r}: set delimiter={other!r} in the config"
    return (
        f"{expected}; with spaces in the name: write the list with ',' between name and label and "
        "set delimiter=',' in the config, or rename the file"
    )
