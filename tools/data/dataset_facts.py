"""What is published about the five datasets: one table that `prepare`, `check` and the docs share.

Sources of the counts: Something-Something v1 and v2, UCF101 and HMDB51 as in their own releases;
Kinetics-400 as in MMAction2's copy (videos vanish from YouTube, so every copy differs).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class DatasetFacts:
    """One dataset as published.

    `counts` maps a split number (None where there is only one) to the number of training and
    validation videos. `filename_tmpl` is set where the dataset comes as folders of frames.
    `complete` is False where copies of the dataset are never complete.
    """

    key: str
    title: str
    num_classes: int
    counts: dict[int | None, dict[str, int]]
    extension: str
    filename_tmpl: str | None = None
    complete: bool = True

    @property
    def media(self) -> str:
        """The kind of media, and the name of its folder in the configs."""
        return "videos" if self.filename_tmpl is None else "rawframes"

    @property
    def splits(self) -> tuple[int, ...]:
        """The numbered splits, empty where there is one split only."""
        return tuple(split for split in self.counts if split is not None)


def list_name(subset: str, split: int | None = None) -> str:
    """The name of an annotation list in the configs: `train.txt`, or `train_split1.txt`."""
    return f"{subset}.txt" if split is None else f"{subset}_split{split}.txt"


DATASETS = {
    facts.key: facts
    for facts in (
        DatasetFacts(
            key="sthv1",
            title="Something-Something v1",
            num_classes=174,
            counts={None: {"train": 86_017, "val": 11_522}},
            extension=".jpg",
            filename_tmpl="{:05}.jpg",
        ),
        DatasetFacts(
            key="sthv2",
            title="Something-Something v2",
            num_classes=174,
            counts={None: {"train": 168_913, "val": 24_777}},
            extension=".webm",
        ),
        DatasetFacts(
            key="kinetics400",
            title="Kinetics-400",
            num_classes=400,
            counts={None: {"train": 240_436, "val": 19_796}},
            extension=".mp4",
            complete=False,
        ),
        DatasetFacts(
            key="ucf101",
            title="UCF101",
            num_classes=101,
            counts={
                1: {"train": 9_537, "val": 3_783},
                2: {"train": 9_586, "val": 3_734},
                3: {"train": 9_624, "val": 3_696},
            },
            extension=".avi",
        ),
        DatasetFacts(
            key="hmdb51",
            title="HMDB51",
            num_classes=51,
            counts={split: {"train": 3_570, "val": 1_530} for split in (1, 2, 3)},
            extension=".avi",
        ),
    )
}


def facts_of(key: str) -> DatasetFacts:
    """The facts of the dataset called `key`; ValueError naming the known ones otherwise."""
    if key not in DATASETS:
        raise ValueError(f"unknown dataset {key!r}: expected one of {', '.join(DATASETS)}")
    return DATASETS[key]


@dataclass(frozen=True)
class PublishedList:
    """What an annotation list claims to be by its file name."""

    facts: DatasetFacts
    subset: str
    split: int | None

    @property
    def count(self) -> int:
        """The published number of videos."""
        return self.facts.counts[self.split][self.subset]


def recognize_list(path: str | PurePath) -> PublishedList | None:
    """Tell from a list's path which published list it is; None if it is nobody's.

    Known are `sthv1/train.txt` and `ucf101/val_split2.txt`, as `prepare` names them, and
    MMAction2's `sthv1_train_list_rawframes.txt` and `ucf101_val_split_2_videos.txt`.
    """
    path = PurePath(path)
    if match := re.fullmatch(r"(train|val)(?:_split(\d))?\.txt", path.name):
        subset, split = match.groups()
        key = path.parent.name
    elif match := re.match(r"([a-z0-9]+)_(train|val)_(?:list|split_(\d))_", path.name):
        key, subset, split = match.groups()
    else:
        return None
    number = int(split) if split else None
    if key not in DATASETS or number not in DATASETS[key].counts:
        return None
    return PublishedList(DATASETS[key], subset, number)
