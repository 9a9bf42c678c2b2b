"""EgoGestAR on frames as they are, not less their mean: the folds of ``egogestar.py``."""

from small_videos import (
    LARGE_CROPS,
    NETWORKS,
    SMALL_CROPS,
    STARTS,
    networks,
    started,
    under,
    whole_pictures,
)

_base_ = "egogestar.py"
results = "egogestar_whole.jsonl"
prefix = "egogestar_whole_"
rows = networks("egogestar") | started("egogestar", seeds=[0])
rows = {name: under(whole_pictures(row), **LARGE_CROPS) for name, row in rows.items()}
rows |= {
    f"{name}_crops": dict(under(rows[name], **SMALL_CROPS), seeds=[0]) for name in ("f4d", "v4d")
}
rows["_delete_"] = True
tables = dict(
    _delete_=True,
    networks=dict(title="Networks on whole pictures", rows=NETWORKS),
    starts=dict(title="Where the blocks start", rows=STARTS),
    crops=dict(
        title="With small crops",
        rows={"F4D": "f4d", "F4D, small crops": "f4d_crops", "V4D, small crops": "v4d_crops"},
    ),
)
curves = dict(_delete_=True)
