"""Published facts about the datasets with annotation files, for `prepare`, `check` and the docs.

Sources of the counts: Something-Something v1 and v2, UCF101 and HMDB51 as in their own releases;
Kinetics-400 as in MMAction2's copy (videos disappear from YouTube, so every copy differs).
"""

import re
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Dataset:
    """One dataset as published.

    `counts` maps a split number (None where there is only one) to the number of training and
    validation videos. A dataset is videos with one of `extensions`, or folders of frames named by
    `filename_tmpl`. `uniform` is False where copies differ: in the videos that are left, in their
    folders and in their extensions.
    """

    title: str
    num_classes: int
    counts: dict[int | None, dict[str, int]]
    extensions: tuple[str, ...] = ()
    filename_tmpl: str | None = None
    uniform: bool = True


DATASETS = {
    "sthv1": Dataset(
        "Something-Something v1",
        num_classes=174,
        counts={None: {"train": 86_017, "val": 11_522}},
        filename_tmpl="{:05}.jpg",
    ),
    "sthv2": Dataset(
        "Something-Something v2",
        num_classes=174,
        counts={None: {"train": 168_913, "val": 24_777}},
        extensions=(".webm",),
    ),
    "kinetics400": Dataset(
        "Kinetics-400",
        num_classes=400,
        counts={None: {"train": 240_436, "val": 19_796}},
        extensions=(".mp4", ".mkv", ".webm", ".avi"),
        uniform=False,
    ),
    "ucf101": Dataset(
        "UCF101",
        num_classes=101,
        counts={
            1: {"train": 9_537, "val": 3_783},
            2: {"train": 9_586, "val": 3_734},
            3: {"train": 9_624, "val": 3_696},
        },
        extensions=(".avi",),
    ),
    "hmdb51": Dataset(
        "HMDB51",
        num_classes=51,
        counts={split: {"train": 3_570, "val": 1_530} for split in (1, 2, 3)},
        extensions=(".avi",),
    ),
}


def list_name(subset: str, split: int | None = None) -> str:
    """The name of an annotation list in the configs: `train.txt`, or `train_split1.txt`."""
    return f"{subset}.txt" if split is None else f"{subset}_split{split}.txt"


def recognize_list(path: str | PurePath) -> tuple[Dataset, int] | None:
    """Tell from a list's path its dataset and its published number of videos; None if unknown.

    Known are `sthv1/train.txt` and `ucf101/val_split2.txt`, as `prepare` names them, and
    MMAction2's `sthv1_train_list_rawframes.txt` and `ucf101_val_split_2_videos.txt`.
    """
    text = "/".join(PurePath(path).parts[-2:])
    match = re.fullmatch(r"(\w+)/(train|val)(?:_split(\d))?\.txt", text) or re.search(
        r"(?:^|/)([a-z0-9]+)_(train|val)_(?:list|split_(\d))_[^/]*$", text
    )
    if match is None or match[1] not in DATASETS:
        return None
    dataset = DATASETS[match[1]]
    counts = dataset.counts.get(int(match[3]) if match[3] else None)
    return None if counts is None else (dataset, counts[match[2]])
