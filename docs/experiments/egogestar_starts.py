"""How large a block's branch starts, tried inside the training clips of EgoGestAR's first fold.

Three maps of a half multiply F4D's branch by 1.5 each, so that without attention it starts at
3.4 times less: is attention's gain only that?
"""

from small_videos import networks

_base_ = "egogestar_rates.py"
results = "egogestar_starts.jsonl"
prefix = "egogestar_starts_"
ROWS = {"F4D": "f4d", "F4D without attention": "no_attention", "V4D": "v4d"}
SCALES = {"": 1, ", started 3.4 times as large": 1.5**3}


def started(row, scale):
    """A row whose blocks start larger."""
    hooks = [dict(type="StartingScaleHook", scale=scale)]
    imports = ["f4d_mmaction", "starting_scale"]
    options = {"custom_hooks": hooks, "custom_imports.imports": imports} if scale != 1 else {}
    return dict(row, options={**row["options"], **options})


rows = {"_delete_": True} | {
    f"{name}{'_started' if scale != 1 else ''}": started(networks("egogestar")[name], scale)
    for name in ROWS.values()
    for scale in SCALES.values()
}
tables = dict(
    _delete_=True,
    networks=dict(
        title="Starts",
        rows={
            f"{title}{text}": f"{name}{'_started' if scale != 1 else ''}"
            for title, name in ROWS.items()
            for text, scale in SCALES.items()
        },
    ),
)
reference = "f4d"
