"""Rates and starts of three networks, tried inside the training clips of EgoGestAR's first fold."""

from small_videos import networks, started_at

_base_ = "egogestar.py"
results = "egogestar_rates.jsonl"
prefix = "egogestar_rates_"
seeds = [0]


def inner(number):
    """Train on some training clips of a fold, and validate on its others; no test clip is read."""
    val = dict(dataset=dict(ann_file=f"val_fold{number}_inner.txt"))
    train = dict(dataset=dict(ann_file=f"train_fold{number}_inner.txt"))
    return dict(train_dataloader=train, val_dataloader=val, test_dataloader=val)


def at_rate(row, rate):
    """A row with another highest rate of its one cycle."""
    return dict(row, options={**row["options"], "param_scheduler.0.eta_max": rate})


splits = {"_delete_": True, "_inner1": inner(1)}
RATES = {"0.1": 0.1, "0.03": 0.03}
LARGER = 10  # the start of gamma is then 0.1
NAMES = {"F4D": "f4d", "F4D without attention": "no_attention", "V4D": "v4d"}
rows = {"_delete_": True} | {
    f"{name}_{text}": at_rate(networks("egogestar")[name], rate)
    for name in NAMES.values()
    for text, rate in RATES.items()
}
for name in NAMES.values():
    rows[f"{name}_larger"] = started_at(rows[f"{name}_0.1"], LARGER)
tables = dict(
    _delete_=True,
    networks=dict(
        title="Rates",
        rows={
            f"{title}, rate {text}": f"{name}_{text}"
            for title, name in NAMES.items()
            for text in RATES
        }
        | {
            f"{title}, rate 0.1, started {LARGER} times as large": f"{name}_larger"
            for title, name in NAMES.items()
        },
    ),
)
curves = dict(_delete_=True)
reference = "f4d_0.1"
