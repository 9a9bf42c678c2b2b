"""Recipes of EgoGestAR, tried inside the training clips of its first fold."""

from small_videos import (
    BATCH,
    LARGE_CROPS,
    SMALL_CROPS,
    crops,
    networks,
    started_at,
    under,
    whole_pictures,
)

_base_ = "egogestar.py"
results = "egogestar_recipe.jsonl"
prefix = "egogestar_recipe_"
seeds = [0]


def inner(number):
    """Train on some training clips of a fold, and validate on its others; no test clip is read."""
    val = dict(dataset=dict(ann_file=f"val_fold{number}_inner.txt"))
    train = dict(dataset=dict(ann_file=f"train_fold{number}_inner.txt"))
    return dict(train_dataloader=train, val_dataloader=val, test_dataloader=val)


RATE = "param_scheduler.0.eta_max"
moving = {name: under(row, **LARGE_CROPS) for name, row in networks("egogestar").items()}
f4d, slowonly, v4d, no_attention, *_ = map(whole_pictures, moving.values())
splits = {"_delete_": True, "_inner1": inner(1)}
rows = {
    "_delete_": True,
    "f4d": f4d,
    "v4d": v4d,
    "no_attention": no_attention,
    "v4d_0.03": under(v4d, **{RATE: 0.03}),
    "f4d_started": started_at(f4d, 10),
    "f4d_crops": under(f4d, **SMALL_CROPS),
    "slowonly_crops": under(slowonly, **SMALL_CROPS),
    "f4d_crops_0.2": under(f4d, **SMALL_CROPS, **{RATE: 0.2}),
    "f4d_crops_0.05": under(f4d, **SMALL_CROPS, **{RATE: 0.05}),
    "f4d_crops_0.025": under(f4d, **SMALL_CROPS, **{RATE: 0.025}),
    "v4d_crops_0.2": under(v4d, **SMALL_CROPS, **{RATE: 0.2}),
    "f4d_crops_batch4": under(f4d, **{**SMALL_CROPS, BATCH: 4}),
    "f4d_crops_60": under(f4d, **{BATCH: 8}, **crops(0.6, (0.8, 1.25))),
    "f4d_moving": moving["f4d"],
    "f4d_moving_crops": under(moving["f4d"], **SMALL_CROPS),
    "v4d_moving_crops": under(moving["v4d"], **SMALL_CROPS),
    "no_attention_moving_crops": under(moving["no_attention"], **SMALL_CROPS),
}
tables = dict(
    _delete_=True,
    networks=dict(
        title="Recipes",
        rows={
            "F4D": "f4d",
            "F4D without attention": "no_attention",
            "V4D": "v4d",
            "V4D, rate 0.03": "v4d_0.03",
            "F4D, started 10 times as large": "f4d_started",
            "F4D, small crops": "f4d_crops",
            "SlowOnly, small crops": "slowonly_crops",
            "F4D, small crops, rate 0.2": "f4d_crops_0.2",
            "F4D, small crops, rate 0.05": "f4d_crops_0.05",
            "F4D, small crops, rate 0.025": "f4d_crops_0.025",
            "V4D, small crops, rate 0.2": "v4d_crops_0.2",
            "F4D, small crops, batches of 4": "f4d_crops_batch4",
            "F4D, crops of 60 to 100 %": "f4d_crops_60",
            "F4D, less the mean frame": "f4d_moving",
            "F4D, less the mean frame, small crops": "f4d_moving_crops",
            "V4D, less the mean frame, small crops": "v4d_moving_crops",
            "F4D without attention, less the mean frame, small crops": "no_attention_moving_crops",
        },
    ),
)
curves = dict(_delete_=True)
reference = "f4d"
