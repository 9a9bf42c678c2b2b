"""From official annotation files and media on disk to MMAction2 lists, all of them or none."""

import difflib
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePath

from dataset_facts import DATASETS, Dataset, list_name
from official_files import READERS, Entry, numbered_lines
from problem_lists import Problems, problem_lines, problem_summary
from rich.progress import track

from f4d_mmaction.apis.recognition import VIDEO_SUFFIXES
from f4d_mmaction.engine.checkpoints import AtomicBackend

# With one of these the meaning of an entry is unknown, so no list may be written.
FATAL = (
    "malformed line",
    "misspelled label",
    "conflicting label",
    "in train and val",
    "too many classes",
    "delimiter in name",
    "nothing left",
)
# With these the entry is left out and counted.
LEFT_OUT = ("missing", "empty", "incomplete")
HINTS = 20  # comparing spellings is slow, and many missing videos are not misspelled


class PreparationError(ValueError):
    """The official files cannot be converted into lists; nothing was written.

    `problems` holds every problem; the message has only the counts and the first few of each kind.
    """

    def __init__(self, message: str, problems: Problems) -> None:
        super().__init__("\n".join([message, *problem_summary(problems)]))
        self.problems = problems


@dataclass(frozen=True)
class Summary:
    """What `prepare` did: files written, lines in each list, problems tolerated, in words."""

    written: Mapping[str, Path]
    counts: Mapping[str, int]
    problems: Problems
    text: str


def prepare(
    dataset: str,
    annotations: str | Path,
    media: str | Path,
    out: str | Path,
    split: int | None = None,
    strict: bool = False,
    delimiter: str = " ",
    classes: str | Path | None = None,
) -> Summary:
    """Write the train and val lists of one dataset, its label map and what was left out.

    Names in the lists are relative to the folder `media`. With `strict`, a video that is missing
    or incomplete is refused, not left out; `classes`, a text file of class names in label order,
    stands in for the official ones.

    Raises:
        ValueError: for an argument or file that cannot be used; PreparationError (a ValueError)
            where entries cannot be understood. Nothing is written then.
        FileNotFoundError: a folder or an official file is not there.
    """
    if dataset not in DATASETS:
        raise ValueError(f"unknown dataset {dataset!r}: expected one of {', '.join(DATASETS)}")
    facts, reader = DATASETS[dataset], READERS[dataset]
    split = next(iter(facts.counts)) if split is None else split
    if split not in facts.counts:
        known = "one split only" if None in facts.counts else f"the splits {(*facts.counts,)}"
        raise ValueError(f"{facts.title} has {known}, got {split}")
    if facts.filename_tmpl and delimiter != " ":
        raise ValueError(f"{dataset} is a list of frame folders, which has no delimiter option")
    if len(delimiter) != 1:
        raise ValueError(f"delimiter must be one character, got {delimiter!r}")
    annotations, media, out = Path(annotations), Path(media), Path(out)
    for folder in (annotations, media):
        if not folder.is_dir():
            raise FileNotFoundError(f"no folder {folder}")

    problems: dict[str, list[str]] = defaultdict(list)
    entries = []
    for entry in reader.entries(annotations, split):
        if isinstance(entry, Entry):
            entries.append(entry)
        else:
            problems["malformed line"].append(entry)
    if classes is None:
        names = reader.classes(annotations, entries)
    else:
        names = [line for line, _ in numbered_lines(Path(classes))]
    if len(names) > facts.num_classes:
        problems["too many classes"].append(_too_many(facts, names, entries))
    numbers = {name: number for number, name in enumerate(names)}
    entries = _consistent(entries, numbers, problems)
    lines = _lines(facts, entries, numbers, media, delimiter, problems)

    refused = [kind for kind in (*FATAL, *(LEFT_OUT if strict else ())) if problems.get(kind)]
    if refused:
        message = f"nothing written for {dataset} because of: {', '.join(refused)}"
        raise PreparationError(message, problems)
    title = facts.title if split is None else f"{facts.title}, split {split}"
    text = [f"{title}: {len(names)} classes (published: {facts.num_classes}), lists in {out}"]
    if len(names) < facts.num_classes:
        text.append("  fewer classes than published: the label numbers fit this subset only")
    for subset, published in facts.counts[split].items():
        annotated = sum(entry.subset == subset for entry in entries)
        text.append(
            f"  {subset}: {len(lines[subset]):,} of {annotated:,} annotated videos listed "
            f"(published: {published:,}) in {list_name(subset, split)}"
        )
    return write_lists(out, lines, names, problems, text, split)


def write_lists(
    out: Path,
    lines: Mapping[str, Sequence[str]],
    classes: Sequence[str],
    problems: Problems,
    text: Sequence[str],
    split: int | None = None,
) -> Summary:
    """Write the list of each subset, the names of the classes and what was left out."""
    left_out = list_name("left_out", split)
    if problems:
        text = [*text, *problem_summary(problems), f"full list of these: {out / left_out}"]
    files = {list_name(subset, split): listed for subset, listed in lines.items()}
    files |= {"label_map.txt": classes, left_out: problem_lines(problems)}
    write_together(out, files)
    counts = {subset: len(listed) for subset, listed in lines.items()}
    return Summary({name: out / name for name in files}, counts, problems, "\n".join(text))


def _nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """`; nearest: '...'` for the closest known spelling, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; nearest: {close[0]!r}" if close else ""


def _too_many(facts: Dataset, names: Sequence[str], entries: Sequence[Entry]) -> str:
    """Name the rarest class: where a list of classes is made from labels, a typo is one more."""
    counts = Counter(entry.label for entry in entries if entry.subset == "train")
    rarest = min(names, key=lambda name: counts[name])
    near = _nearest(rarest, (name for name in names if name != rarest))
    return f"{len(names)} instead of {facts.num_classes}; the rarest is {rarest!r}{near}"


def _consistent(
    entries: Sequence[Entry], numbers: Mapping[str, int], problems: dict[str, list[str]]
) -> list[Entry]:
    """Return the first entry of each video, and note labels and repetitions that contradict."""
    first: dict[str, Entry] = {}
    near = cache(partial(_nearest, known=numbers))  # slow, and as many entries as videos may ask
    for entry in entries:
        number = numbers.get(entry.label)
        if number is None:
            message = f"{entry.source}: {entry.label!r} is no class{near(entry.label)}"
            problems["misspelled label"].append(message)
        elif entry.number not in (None, number):
            message = f"{entry.source}: {entry.label!r} is class {number}, labeled {entry.number}"
            problems["conflicting label"].append(f"{message} (both counted from 0)")
        elif (earlier := first.setdefault(entry.name, entry)) is not entry:
            message = f"{entry.source}: {entry.name}, first at {earlier.source}"
            if earlier.subset != entry.subset:
                problems["in train and val"].append(message)
            elif earlier.label != entry.label:
                message += f" with label {earlier.label!r}, now {entry.label!r}"
                problems["conflicting label"].append(message)
            else:
                problems["duplicate"].append(message)
    return list(first.values())


def _lines(
    facts: Dataset,
    entries: Sequence[Entry],
    numbers: Mapping[str, int],
    media: Path,
    delimiter: str,
    problems: dict[str, list[str]],
) -> dict[str, list[str]]:
    """The lists' lines, with every video that is not whole on disk left out and noted."""
    if facts.filename_tmpl:
        locate = _frame_finder(facts.filename_tmpl, media)
    else:
        locate = _video_finder(facts, media, {entry.name for entry in entries})
    lines: dict[str, list[str]] = {"train": [], "val": []}
    for entry in track(entries, f"Looking into {media}"):
        fault, *found = locate(entry.name)
        if fault:
            problems[fault].append(f"{entry.name} ({entry.source}){found[0]}")
        elif delimiter in found[0]:
            problems["delimiter in name"].append(
                f"{found[0]} holds the delimiter {delimiter!r}: rename it, or use another one "
                "(--delimiter ',') and set the same in the config's datasets (delimiter=',')"
            )
        else:
            lines[entry.subset].append(delimiter.join([*found, str(numbers[entry.label])]))
    for subset, listed in lines.items():
        if not any(entry.subset == subset for entry in entries):
            message = f"the official files hold no usable entry of {subset}"
            problems["nothing left"].append(message)
        elif not listed and "delimiter in name" not in problems:
            message = f"no video of {subset} is in {media}: wrong media folder?"
            problems["nothing left"].append(message)
    return lines


# Called with a name, returns "" and the fields of its line, or a kind of problem and a message.
Locate = Callable[[str], tuple[str, ...]]


def _frame_finder(filename_tmpl: str, media: Path) -> Locate:
    """Return a finder of frame folders. Frames count from 1; an empty file is a missing frame."""
    named = filename_tmpl.format

    def locate(name: str) -> tuple[str, ...]:
        if not os.path.isdir(media / name):  # also False for a name that no disk can hold
            return "missing", ""
        sizes = {
            int(path.stem): path.stat().st_size
            for path in (media / name).iterdir()
            if path.stem.isdecimal() and named(int(path.stem)) == path.name
        }
        last = max(sizes, default=0)
        holes = [number for number in range(1, last + 1) if not sizes.get(number)]
        if len(holes) == last:
            return "empty", f": no {filename_tmpl} in it"
        if holes:
            told = f"{len(holes)} of {last} frames missing or empty, first {named(holes[0])}"
            return "incomplete", f": {told}"
        return "", name, str(last)

    return locate


def _video_finder(facts: Dataset, media: Path, names: set[str]) -> Locate:
    """Videos lie at most four folders down; where copies differ only the stem of a name counts."""
    sizes, others = {}, {}
    for depth in range(5):
        for path in media.glob("*/" * depth + "*"):
            suffix = path.suffix.lower()
            if suffix in facts.extensions and path.is_file():
                sizes[path.relative_to(media)] = path.stat().st_size
            elif suffix in VIDEO_SUFFIXES:
                others[path.stem] = path.relative_to(media)

    def rank(path: Path) -> tuple[bool, bool, Path]:
        """Of two copies one with content comes first, then one that replaces a damaged one."""
        replaces = any(folder.startswith("replace") for folder in path.parent.parts)
        return not sizes[path], not replaces, path

    paths = sorted(sizes, key=rank, reverse=True)
    known = {path.as_posix() if facts.uniform else path.stem: path for path in paths}
    unlisted, hints = known.keys() - names, iter(range(HINTS))

    def locate(name: str) -> tuple[str, ...]:
        if name in known:
            path = known[name]
            return ("", path.as_posix()) if sizes[path] else ("empty", ": 0 bytes")
        stem = PurePath(name).stem if facts.uniform else name
        if stem in others and next(hints, None) is not None:
            return "missing", f"; expected {' or '.join(facts.extensions)}: {others[stem]} is there"
        # A file that is in no list may be this video, misspelled; a number is near to any other.
        if not stem.isdecimal() and next(hints, None) is not None:
            folder = os.path.dirname(name)
            near = [other for other in unlisted if os.path.dirname(other) == folder]
            return "missing", _nearest(name, near[:5000], cutoff=0.9)
        return "missing", ""

    return locate


def write_together(folder: Path, files: Mapping[str, Sequence[str]]) -> None:
    """Write all files or none: into a folder beside them first, then renamed."""
    try:
        contents = {
            name: "".join(f"{line}\n" for line in lines).encode() for name, lines in files.items()
        }
    except UnicodeEncodeError as error:
        near = error.object[max(0, error.start - 30) : error.end + 30]
        raise ValueError(f"a name that UTF-8 cannot hold near {near!r}: rename it") from None
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
        for name, content in contents.items():
            AtomicBackend().put(content, Path(part) / name)
        for name in contents:
            os.replace(Path(part) / name, folder / name)
