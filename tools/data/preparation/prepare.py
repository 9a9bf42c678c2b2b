"""From official annotation files and media on disk to MMAction2 lists, all of them or none."""

from __future__ import annotations

import os
from pathlib import Path

from dataset_facts import DatasetFacts, facts_of, list_name

from . import hmdb51, kinetics400, sthv1, sthv2, ucf101
from .core import (
    FATAL,
    LEFT_OUT,
    Annotations,
    PreparationError,
    Problems,
    Sample,
    Summary,
    count_frames,
    drop_duplicates,
    media_below,
    nearest,
    numbered_lines,
    write_together,
)

HINTS = 20  # comparing spellings is slow, and many missing videos are not misspelled ones

READERS = {
    "sthv1": sthv1.read_annotations,
    "sthv2": sthv2.read_annotations,
    "kinetics400": kinetics400.read_annotations,
    "ucf101": ucf101.read_annotations,
    "hmdb51": hmdb51.read_annotations,
}


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

    Args:
        dataset: sthv1, sthv2, kinetics400, ucf101 or hmdb51.
        annotations: Folder of the official annotation files.
        media: Folder of the frame folders or videos; names in the lists are relative to it.
        out: Folder of the lists, made if need be.
        split: 1, 2 or 3 for ucf101 and hmdb51 (default 1), else None.
        strict: Refuse when a video is missing or incomplete, instead of leaving it out.
        delimiter: Between name and label in lists of videos (MMAction2's `delimiter`).
        classes: Text file of class names in label order, instead of the official ones.

    Raises:
        ValueError: for an argument or file that cannot be used; PreparationError (a ValueError)
            where entries cannot be understood. Nothing is written then.
        FileNotFoundError: a folder or an official file is not there.
    """
    facts = facts_of(dataset)
    split = _check_split(facts, split)
    if facts.media == "rawframes" and delimiter != " ":
        raise ValueError(f"{dataset} is a list of frame folders, which has no delimiter option")
    if len(delimiter) != 1:
        raise ValueError(f"delimiter must be one character, got {delimiter!r}")
    annotations, media, out = Path(annotations), Path(media), Path(out)
    for folder in (annotations, media):
        if not folder.is_dir():
            raise FileNotFoundError(f"no folder {folder}")
    names = None if classes is None else [line for line, _ in numbered_lines(Path(classes))]

    problems = Problems()
    read = READERS[dataset](annotations, problems, split, names)
    if len(read.classes) > facts.num_classes:
        problems.add("too many classes", _too_many(facts, read))
    drop_duplicates(read.subsets, problems)
    lines = _lines(facts, read, media, delimiter, problems)

    refused = [kind for kind in (*FATAL, *(LEFT_OUT if strict else ())) if problems.count(kind)]
    if refused:
        raise PreparationError(
            f"nothing written for {dataset} because of: {', '.join(refused)}\n{problems.summary()}",
            problems,
        )
    files = {list_name(subset, split): text for subset, text in lines.items()}
    left_out = list_name("left_out", split)
    files["label_map.txt"] = list(read.classes)
    files[left_out] = problems.lines()
    write_together(
        out, {name: "".join(f"{line}\n" for line in text) for name, text in files.items()}
    )
    counts = {subset: len(text) for subset, text in lines.items()}
    return Summary(
        written={name: out / name for name in files},
        counts=counts,
        problems=problems,
        text=_describe(facts, split, read, counts, problems, out, out / left_out),
    )


def _check_split(facts: DatasetFacts, split: int | None) -> int | None:
    if not facts.splits:
        if split is not None:
            raise ValueError(f"{facts.title} has one split only: leave out split={split}")
        return None
    split = facts.splits[0] if split is None else split
    if split not in facts.splits:
        raise ValueError(f"{facts.title} has the splits {facts.splits}, got {split}")
    return split


def _too_many(facts: DatasetFacts, read: Annotations) -> str:
    """Name the rarest class: where a list of classes is made from labels, a typo is one more."""
    counts = dict.fromkeys(range(len(read.classes)), 0)
    for sample in read.subsets["train"]:
        counts[sample.label] += 1
    rarest = read.classes[min(counts, key=counts.get)]
    others = [name for name in read.classes if name != rarest]
    return (
        f"{len(read.classes)} instead of {facts.num_classes}; the rarest is "
        f"{rarest!r}{nearest(rarest, others)}"
    )


def _lines(
    facts: DatasetFacts, read: Annotations, media: Path, delimiter: str, problems: Problems
) -> dict[str, list[str]]:
    """The lists' lines, with every sample that is not whole on disk left out and noted."""
    if facts.media == "rawframes":
        lines = {
            subset: [
                line for sample in samples if (line := _frames(facts, sample, media, problems))
            ]
            for subset, samples in read.subsets.items()
        }
    else:
        lines = _video_lines(facts, read, media, delimiter, problems)
    for subset, samples in read.subsets.items():
        if samples and not lines[subset] and not problems.count("delimiter in name"):
            problems.add("nothing left", f"no video of {subset} is in {media}: wrong media folder?")
        elif not samples:
            problems.add("nothing left", f"the official files hold no usable entry of {subset}")
    return lines


def _frames(facts: DatasetFacts, sample: Sample, media: Path, problems: Problems) -> str | None:
    folder = media / sample.name
    if not os.path.isdir(folder):  # also False for a name that no disk can hold
        problems.add("missing", f"{sample.name} ({sample.source})")
        return None
    total, holes = count_frames(folder, facts.filename_tmpl)
    if total == 0:
        problems.add("empty", f"{sample.name} ({sample.source}): no {facts.filename_tmpl} in it")
    elif holes:
        first = facts.filename_tmpl.format(holes[0])
        problems.add(
            "incomplete",
            f"{sample.name} ({sample.source}): {len(holes)} of {total} frames missing or empty, "
            f"first {first}",
        )
    else:
        return f"{sample.name} {total} {sample.label}"
    return None


def _video_lines(
    facts: DatasetFacts, read: Annotations, media: Path, delimiter: str, problems: Problems
) -> dict[str, list[str]]:
    by_stem = facts.key == "kinetics400"  # flat, in class folders, in train/val folders: all exist
    paths = media_below(media, kinetics400.EXTENSIONS if by_stem else (facts.extension,))
    stems = {os.path.splitext(os.path.basename(path))[0]: path for path in reversed(paths)}
    known = stems if by_stem else dict(zip(paths, paths))
    annotated = {sample.name for samples in read.subsets.values() for sample in samples}
    unlisted = set() if by_stem else set(paths) - annotated
    lines: dict[str, list[str]] = {}
    for subset, samples in read.subsets.items():
        lines[subset] = []
        for sample in samples:
            path = known.get(sample.name)
            if path is None:
                _note_missing(sample, unlisted, problems)
            elif (media / path).stat().st_size == 0:
                problems.add("empty", f"{path} ({sample.source}): 0 bytes")
            elif delimiter in path:
                problems.add(
                    "delimiter in name",
                    f"{path} holds the delimiter {delimiter!r}: rename it, or use another one "
                    "(--delimiter ',') and set the same in the config's datasets (delimiter=',')",
                )
            else:
                lines[subset].append(f"{path}{delimiter}{sample.label}")
    return lines


def _note_missing(sample: Sample, unlisted: set[str], problems: Problems) -> None:
    """Note a missing file; for the first few, a file that no list knows may be it, misspelled."""
    hint = ""
    if problems.count("missing") < HINTS:
        folder = os.path.dirname(sample.name)
        near = [name for name in unlisted if os.path.dirname(name) == folder]
        hint = nearest(sample.name, near[:5000], cutoff=0.9)
    problems.add("missing", f"{sample.name} ({sample.source}){hint}")


def _describe(
    facts: DatasetFacts,
    split: int | None,
    read: Annotations,
    counts: dict[str, int],
    problems: Problems,
    out: Path,
    left_out: Path,
) -> str:
    title = facts.title if split is None else f"{facts.title}, split {split}"
    text = [
        f"{title}: {len(read.classes)} classes (published: {facts.num_classes}), lists in {out}"
    ]
    if len(read.classes) < facts.num_classes:
        text.append("  fewer classes than published: the label numbers fit this subset only")
    for subset, written in counts.items():
        published = facts.counts[split][subset]
        text.append(
            f"  {subset}: {written:,} of {len(read.subsets[subset]):,} annotated videos listed "
            f"(published: {published:,}) in {list_name(subset, split)}"
        )
    if problems.found:
        text += [problems.summary(), f"full list of these: {left_out}"]
    return "\n".join(text)
