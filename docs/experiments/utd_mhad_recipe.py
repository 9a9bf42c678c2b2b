"""Recipes of UTD-MHAD's single actions, tried with one of the four training people left out."""

from small_videos import (
    BATCH,
    SMALL_CROPS,
    crops,
    less_mean_frame,
    network,
    trained_for,
    under,
)

_base_ = "utd_mhad.py"
results = "utd_mhad_recipe.jsonl"
prefix = "utd_mhad_recipe_"
seeds = [0]
val = dict(dataset=dict(ann_file="val_inner.txt"))
train = dict(dataset=dict(ann_file="train_inner.txt"))
splits = {"_inner": dict(train_dataloader=train, val_dataloader=val, test_dataloader=val)}
f4d = network("utd_mhad", "f4d")
rows = {
    "_delete_": True,
    "f4d": f4d,
    "f4d_60_epochs": under(f4d, **trained_for(60)),
    "f4d_batch8": under(f4d, **{BATCH: 8}),
    "f4d_crops_60": under(f4d, **{BATCH: 8}, **crops(0.6, (0.8, 1.25))),
    "f4d_crops": under(f4d, **SMALL_CROPS),
    "f4d_moving": less_mean_frame(f4d),
}
tables = dict(
    _delete_=True,
    networks=dict(
        title="Recipes",
        rows={
            "F4D": "f4d",
            "F4D, 60 epochs": "f4d_60_epochs",
            "F4D, batches of 8": "f4d_batch8",
            "F4D, batches of 8, crops of 60 to 100 %": "f4d_crops_60",
            "F4D, batches of 8, crops of 40 to 100 %": "f4d_crops",
            "F4D, less the mean frame": "f4d_moving",
        },
    ),
)
curves = dict(_delete_=True)
reference = "f4d"
