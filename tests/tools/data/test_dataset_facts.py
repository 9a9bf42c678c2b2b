"""The table of published facts, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from dataset_facts import DATASETS, DatasetFacts, facts_of, list_name, recognize_list

PAGE = Path(__file__).parents[3] / "docs" / "datasets.md"


@pytest.mark.parametrize("facts", DATASETS.values(), ids=DATASETS)
def test_the_page_shows_the_table(facts: DatasetFacts) -> None:
    rows = PAGE.read_text(encoding="utf-8").splitlines()
    for split, counts in facts.counts.items():
        title = facts.title if split is None else f"{facts.title}, split {split}"
        numbers = f"{facts.num_classes} | {counts['train']:,} | {counts['val']:,}"
        assert any(row.startswith(f"| {title} | `{facts.key}` | {numbers} |") for row in rows)


def test_splits_share_the_same_videos() -> None:
    """UCF101 has 13,320 videos, each in train or test of a split; HMDB51 uses 100 of each class."""
    assert {sum(counts.values()) for counts in DATASETS["ucf101"].counts.values()} == {13_320}
    assert {sum(counts.values()) for counts in DATASETS["hmdb51"].counts.values()} == {5_100}


@pytest.mark.parametrize("facts", DATASETS.values(), ids=DATASETS)
def test_lists_are_recognized_by_their_own_names(facts: DatasetFacts) -> None:
    for split, counts in facts.counts.items():
        for subset, count in counts.items():
            known = recognize_list(Path("data") / facts.key / list_name(subset, split))
            assert (known.facts, known.subset, known.split) == (facts, subset, split)
            assert known.count == count


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("lists/sthv1_train_list_rawframes.txt", 86_017),
        ("hmdb51_val_split_3_videos.txt", 1_530),
        ("ucf101/train.txt", None),
        ("ucf101/train_split4.txt", None),
        ("mine/train.txt", None),
        ("sthv1/test.txt", None),
    ],
)
def test_other_names(path: str, count: int | None) -> None:
    known = recognize_list(path)
    assert (known and known.count) == count


def test_unknown_dataset() -> None:
    with pytest.raises(ValueError, match="'k600': expected one of sthv1, sthv2"):
        facts_of("k600")
