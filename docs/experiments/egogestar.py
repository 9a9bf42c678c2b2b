"""Ten gestures drawn in the air, on real videos: five folds, every clip tested once a seed."""

from small_videos import CURVES, NETWORKS, OPTIONS, VARIANTS, networks, variants

results = "egogestar.jsonl"
document = "../experiments.md"
prefix = "egogestar_"
seeds = [0, 1]
benchmark = dict(
    root="data/egogestar",
    command="python tools/data/prepare.py egogestar --media data/EgoGestAR/testvideo "
    "--out data/egogestar",
)
options = OPTIONS


def fold(number):
    """Train on four folds and test on the fifth."""
    test = dict(dataset=dict(ann_file=f"test_fold{number}.txt"))
    train = dict(dataset=dict(ann_file=f"train_fold{number}.txt"))
    return dict(train_dataloader=train, val_dataloader=test, test_dataloader=test)


splits = {f"_fold{number}": fold(number) for number in range(1, 6)}
rows = networks("egogestar") | variants("egogestar", seeds=[0])
tables = dict(
    networks=dict(title="Networks", rows=NETWORKS),
    variants=dict(title="F4D in other forms", rows=VARIANTS),
)
curves = CURVES
reference = "f4d"
opposites = {3: 9, 9: 3, 4: 5, 5: 4}  # down and up, left and right
