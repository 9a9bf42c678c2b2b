"""The table of published facts, and the page that shows it."""

from pathlib import Path

import pytest
from dataset_facts import DATASETS, recognize_list

PAGE = Path(__file__).parents[3] / "docs" / "datasets.md"


@pytest.mark.parametrize("key", DATASETS)
def test_the_page_shows_the_table(key: str) -> None:
    rows, facts = PAGE.read_text(encoding="utf-8").splitlines(), DATASETS[key]
    for split, counts in facts.counts.items():
        title = facts.title if split is None else f"{facts.title}, split {split}"
        numbers = f"{facts.num_classes} | {counts['train']:,} | {counts['val']:,}"
        assert any(row.startswith(f"| {title} | `{key}` | {numbers} |") for row in rows)


def test_splits_share_the_same_videos() -> None:
    """UCF101 has 13,320 videos, each in train or test of a split; HMDB51 uses 100 of each class."""
    assert {sum(counts.values()) for counts in DATASETS["ucf101"].counts.values()} == {13_320}
    assert {sum(counts.values()) for counts in DATASETS["hmdb51"].counts.values()} == {5_100}


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("lists/sthv1_train_list_rawframes.txt", 86_017),
        ("hmdb51_val_split_3_videos.txt", 1_530),
        ("data/ucf101/val_split2.txt", 3_734),
        ("ucf101/train.txt", None),
        ("ucf101/train_split4.txt", None),
        ("mine/train.txt", None),
        ("sthv1/test.txt", None),
    ],
)
def test_lists_are_recognized_by_their_names(path: str, count: int | None) -> None:
    known = recognize_list(path)
    assert (known and known[1]) == count
