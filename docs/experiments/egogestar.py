"""Ten gestures drawn in the air, on real videos: five folds, every clip tested once a seed."""

from small_videos import (
    CURVES,
    NETWORKS,
    OPTIONS,
    SMALL_CROPS,
    STARTS,
    VARIANTS,
    networks,
    started,
    under,
    variants,
)

results = "egogestar.jsonl"
document = "../experiments.md"
prefix = "egogestar_"
seeds = [0, 1]
benchmark = dict(
    root="data/egogestar",
    command="python tools/data/prepare.py egogestar --media testvideo --out data/egogestar",
)
options = OPTIONS


def fold(number):
    """Train on four folds and test on the fifth."""
    test = dict(dataset=dict(ann_file=f"test_fold{number}.txt"))
    train = dict(dataset=dict(ann_file=f"train_fold{number}.txt"))
    return dict(train_dataloader=train, val_dataloader=test, test_dataloader=test)


splits = {f"_fold{number}": fold(number) for number in range(1, 6)}
rows = networks("egogestar") | started("egogestar", seeds=[0]) | variants("egogestar", seeds=[0])
rows |= {
    f"{name}_crops": dict(under(row, **SMALL_CROPS), seeds=[0])
    for name, row in networks("egogestar").items()
}
tables = dict(
    networks=dict(title="Networks", rows=NETWORKS),
    starts=dict(title="Where the blocks start", rows=STARTS),
    crops=dict(
        title="With small crops",
        rows={"F4D, the recipe of this page": "f4d"}
        | {title: f"{name}_crops" for title, name in NETWORKS.items()},
    ),
    variants=dict(title="F4D in other forms", rows=VARIANTS),
)
curves = CURVES
reference = "f4d"
opposites = {3: 9, 9: 3, 4: 5, 5: 4}  # down and up, left and right
