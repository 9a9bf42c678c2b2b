"""Which videos there are, and their classes: class folders, a CSV, or MMAction2's lists."""

import csv
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from f4d_mmaction.apis.recognition import VIDEO_SUFFIXES, beside, videos_below

NAMES = {"train": "train training", "test": "test testing",
         "val": "val valid validate validation dev eval evaluation"}  # fmt: skip
SPLITS = {f"{start}{name}": split for split, names in NAMES.items() for name in names.split()
          for start in ("", "videos_")}  # fmt: skip
LIKE_SPLIT = re.compile(r"(?:^|[^a-z])(train|test|val)(?:ing|id|idation)?(?=[^a-z]|set|$)")
LISTS = ".csv", ".tsv", ".txt", ".lst", ".list"
SHOWN = 20  # classes in a sentence
Say = Callable[[str], None]


def printable(text: object) -> str:
    """Replace what names of files may hold and a text may not."""
    return str(text).encode("utf-8", "replace").decode()


def digest_of(file: str) -> str:
    """Return what the name of a copy ends in: the first eight digits of its content's sha1."""
    return os.path.splitext(file)[0][-8:]


def stamp(path: str) -> list[int]:
    """What changes when a file does; nothing where there is none."""
    if not os.path.exists(path):
        return []
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]


@dataclass
class Video:
    """A video: where it lies, its class, its group and split if known, and what a look found."""

    path: str
    label: str
    group: str = ""
    split: str = ""
    frames: int = 0
    fps: float = 0.0
    background: str = ""  # median frame, small, RGB, as hexadecimal digits
    file: str = ""  # below videos/ of the work directory
    number: int = -1  # of the class, where it is told


def class_names(videos: Iterable[Video]) -> list[str]:
    """The classes by their numbers, those without any by the alphabet."""
    order = sorted((video.number, video.label) for video in videos)
    return list(dict.fromkeys(label for _, label in order))


def find_videos(source: Path, say: Say, fewest: int = 2) -> list[Video]:
    """List the videos that a folder of class folders, a CSV or annotation lists name.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        ValueError: it names fewer than ``fewest`` classes, or cannot be understood.
    """
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist")
    lists = [source]
    if source.is_dir():
        lists = [p for p in sorted(source.glob("*.*")) if p.suffix.lower() in (".csv", ".txt")]
        lists = [path for path in lists if path.stem.lower() in SPLITS]
    elif source.suffix.lower() not in LISTS:
        raise ValueError(f"{source} is no {' or '.join(LISTS)} file; expected a folder, or a list")
    videos = [video for path in lists for video in _listed(path)]
    if videos and source.is_dir():
        _tell_lists(source, lists, videos, say)
    videos = videos or list(_in_folders(source, say))
    spelled: dict[str, str] = {}
    for video in videos:  # names of other systems may hold line ends, and bytes that are no text
        label = video.label.encode("utf-8", "backslashreplace").decode()  # never two as one
        label = unicodedata.normalize("NFC", label)  # a Mac takes letters and accents apart
        video.label = " ".join(label.split())
        if not video.label:
            raise ValueError(f"the class of {video.path} has no name: give it one")
        if (other := spelled.setdefault(video.label.casefold(), label)) != label:
            first, second = sorted((other, label))
            raise ValueError(
                f"classes {first!r} and {second!r} differ by case or blanks only: rename one"
            )
        if video.number < 0 and video.label.isdecimal():
            video.number = int(video.label)
    if len(spelled) < fewest:
        raise ValueError(
            f"{source} holds {len(videos)} videos of {len(spelled)} classes; expected a folder "
            "with a subfolder of videos for each of two or more classes, or a CSV of path,label"
        )
    classes = class_names(videos)
    more = ", ..." * (len(classes) > SHOWN)
    say(f"{len(classes)} classes: {', '.join(classes[:SHOWN])}{more}")
    return videos


def _tell_lists(root: Path, lists: Sequence[Path], videos: Sequence[Video], say: Say) -> None:
    """Say that lists count and folders do not, and how many videos no list names."""
    named = {os.path.realpath(video.path) for video in videos}
    others = [path for path in videos_below(root) if os.path.realpath(path) not in named]
    say(f"the classes and splits are those of {', '.join(path.name for path in lists)}")
    if others:
        say(f"left out {len(others)} videos that no list names, first {others[0]}")


def _in_folders(root: Path, say: Say) -> Iterator[Video]:
    """Videos by class folder; a level train/, val/, test/ above or below them is a given split.

    Raises:
        ValueError: train/ lies beside videos of folders that are no split, or what looks like
            splits has none of their names.
    """
    seen, found, others, told = set(), [], Counter[str](), set()

    def leave_out(folder: str, why: str) -> None:
        say(f"left out {folder}: {why}")
        told.add(folder)

    def unreadable(error: OSError) -> None:
        leave_out(error.filename, error.strerror or "unreadable")

    for folder, inner, files in os.walk(root, onerror=unreadable, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            leave_out(folder, "the same folder as one that was read before")
            inner.clear()
            continue
        seen.add(real)
        inner[:] = [name for name in inner if name[0] != "."]
        inner.sort(key=lambda name: (os.path.islink(os.path.join(folder, name)), name))
        found += [Path(folder, name) for name in sorted(files) if name[0] != "."]
    found.sort()
    videos = {path for path in found if path.suffix.lower() in VIDEO_SUFFIXES}
    above = {path: list(path.relative_to(root).parts[:-1]) for path in found}
    inside = [folders for path, folders in above.items() if path in videos and folders]
    tops = {folders[0] for folders in inside}
    splits = {top for top in tops if top.lower() in SPLITS}
    if splits < tops and "train" in {SPLITS[top.lower()] for top in splits}:
        raise ValueError(
            f"{root} holds {sorted(splits)}, which are names of splits, beside "
            f"{sorted(tops - splits)}: rename these, or move them elsewhere"
        )
    level = _level_of_splits(inside)
    if level != 0:
        _refuse_likenesses(inside)
    if level == 1:
        say("the folders in those of the classes are taken as a given split")
    for path, folders in above.items():
        split = ""
        if level is not None and len(folders) > level:
            split = SPLITS.get(folders.pop(level).lower(), "")
        if folders and path in videos:
            yield Video(str(path), folders[0], split=split)
        else:
            kind = path.suffix.lower() or "without suffix" if folders else "in no class folder"
            others[kind] += 1
    there = [path for path in sorted(root.iterdir()) if path.is_dir() and path.name[0] != "."]
    for path in there:
        if path.name not in tops and str(path) not in told:
            say(f"left out folder {path.name!r}: no video in it")
    for kind, count in others.most_common():
        say(f"left out {count} files {kind}: no videos of a class")


def _level_of_splits(inside: Sequence[Sequence[str]]) -> int | None:
    """Find where all folders are train/, test/ and so on: above the classes, 0, or below them."""
    for level in (0, 1):
        names = {folders[level].lower() if folders[level:] else "" for folders in inside}
        known = {SPLITS.get(name) for name in names}
        if None not in known and (level == 0 or "train" in known):
            return level
    return None


def _refuse_likenesses(inside: Sequence[Sequence[str]]) -> None:
    """Refuse `train_set/` and `test_set/` with the same folders below: these are the classes.

    Raises:
        ValueError: there are such folders.
    """
    below, kinds = defaultdict(set), set()
    for top, *rest in inside:
        if kind := LIKE_SPLIT.search(top.lower()):
            below[top].update(rest[:1])
            kinds.add(kind[1])
    shared = set.intersection(*below.values()) if below else set()
    if len(kinds) > 1 and shared and below.keys() == {top for top, *_ in inside}:
        raise ValueError(
            f"folders {sorted(below)} look like splits, as each has a folder {min(shared)!r}: "
            "rename them to train, val and test; or those in them, if these are classes"
        )


def _fields(line: str, path: Path) -> list[str]:
    """Name and label of a line; a comma parts them unless a video has the name before a space."""
    fields = line.rsplit(maxsplit=1)
    if beside(path, fields[0]) or "," not in line:
        return fields
    return [*map(str.strip, line.rsplit(",", 1))]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from None


def _listed(path: Path) -> Iterator[Video]:
    """Rows of a CSV with a head, or lines `video label` or `video,label`, named by classes.txt."""
    lines = [line for line in _text(path).splitlines() if line.strip()]
    lines = lines[re.fullmatch("sep=.", "".join(lines[:1])) is not None :]  # as Excel writes it
    names = map(path.with_name, ("classes.txt", "label_map.txt"))
    named = next((name for name in names if name.is_file()), None)
    classes = [line.strip() for line in _text(named).rstrip().splitlines()] if named else []
    if "" in classes:
        raise ValueError(f"{named}, line {classes.index('') + 1} is blank: name a class in each")
    head = ["path", "label"]
    is_csv = path.suffix.lower() in (".csv", ".tsv")
    first = re.split(r"\s*[,;\t]\s*", "".join(lines[:1]).strip().lower())
    is_csv = is_csv or {"path", "label"} <= set(first)
    rows: list[list[str]] = []
    if is_csv:
        delimiter = max(",;\t", key=lines[0].count) if lines else ","
        try:
            rows.extend(csv.reader(lines, delimiter=delimiter, strict=True))
        except csv.Error as error:
            raise ValueError(f"{path}, row {len(rows)}: {error}") from None
        head = [name.strip().lower() for name in rows.pop(0)] if rows else []
    else:
        rows = [_fields(line.strip(), path) for line in lines]
    if not {"path", "label"} <= set(head):
        raise ValueError(f"{path} begins with {head}; expected path,label and perhaps group,split")
    for number, row in enumerate(rows, start=1):
        cells = dict(zip(head, map(str.strip, row)))
        split = cells.get("split") or (path.stem if path.stem.lower() in SPLITS else "")
        label, name = " ".join(cells.get("label", "").split()), cells.get("path", "")
        known = split.lower() in {"", *SPLITS}
        if not label or not name or not known or any(row[len(head) :]):
            raise ValueError(f"{path}, row {number}: {row}, expected {', '.join(head)}")
        numbered = label.isdecimal() and not is_csv
        place = int(label) if numbered else classes.index(label) if label in classes else -1
        if classes and not 0 <= place < len(classes):
            raise ValueError(
                f"{path}, row {number}: {'number' if numbered else 'name'} {label} is that of none "
                f"of the {len(classes)} classes of {named}: add it there, or correct the label"
            )
        if numbered:
            label = classes[place] if classes else f"class {label:0>3}"
        found = beside(path, name) or str(path.parent / name)
        yield Video(
            found, label, cells.get("group", ""), SPLITS.get(split.lower(), ""), number=place
        )
