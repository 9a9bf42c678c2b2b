"""What the studies on real videos share: rows and tables on the configs of one dataset."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

MOVING = Path(__file__).resolve().parents[2] / "configs/_base_/models/f4d_r18_moving.py"
TA, CA, STA = "TemporalAttention", "ChannelAttention", "SpatioTemporalAttention"
_LOADER = dict(num_workers=0, persistent_workers=False)
OPTIONS = dict(
    train_dataloader=_LOADER,
    val_dataloader=_LOADER,
    test_dataloader=_LOADER,
    default_hooks=dict(
        logger=dict(interval=1000, ignore_last=False), checkpoint=dict(interval=-1, save_best=None)
    ),
)
NETWORKS = {
    "F4D": "f4d",
    "V4D": "v4d",
    "F4D without attention": "no_attention",
    "TSM": "tsm",
    "SlowOnly, units averaged": "slowonly",
    "TSN": "tsn",
}
STARTS = {
    "F4D": "f4d",
    "F4D without attention": "no_attention",
    "F4D without attention, started 3.4 times as large": "no_attention_started",
    "V4D": "v4d",
    "V4D, started 3.4 times as large": "v4d_started",
}
VARIANTS = {
    "F4D: conv2-5, M = C/8, TA+CA+STA, U = 4": "f4d",
    "reading A: two blocks in conv3, matched M": "reading_a",
    "reading B: conv2-5, matched M": "reading_b",
    "U = 2": "units_2",
    "U = 6": "units_6",
    "U = 8": "units_8",
    "conv1 alone": "conv1",
    "conv2 alone": "conv2",
    "conv3 alone": "conv3",
    "conv4 alone": "conv4",
    "conv5 alone": "conv5",
    "TA alone": "ta",
    "CA alone": "ca",
    "STA alone": "sta",
    "SE": "se",
    "CBAM": "cbam",
    "STM block": "stm",
    "TEA block": "tea",
}
CURVES = {"F4D": "f4d", "V4D": "v4d", "SlowOnly": "slowonly"}


def network(data: str, name: str, **backbone: object) -> dict:
    """A row: a network's config for a dataset, with other settings of its backbone."""
    return dict(
        config=f"configs/recognition/{name}/{name}_r18_{data}.py",
        options={f"model.backbone.{key}": value for key, value in backbone.items()},
    )


def networks(data: str) -> dict[str, dict]:
    """Rows of the networks that are compared, those that matter most first."""
    return dict(
        f4d=network(data, "f4d"),
        slowonly=network(data, "slowonly"),
        v4d=network(data, "v4d"),
        no_attention=network(data, "f4d", **{"block4d.attention": []}),
        tsm=network(data, "tsm"),
        tsn=network(data, "tsn"),
    )


def under(row: dict, **recipe: object) -> dict:
    """A row under another recipe than its config's."""
    return dict(row, options={**row["options"], **recipe})


def whole_pictures(row: dict) -> dict:
    """A row of EgoGestAR that sees its frames as they are, not less their mean."""
    inputs = dict(
        _delete_=True,
        type="ActionDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape="NCTHW",
    )
    if "/tsm/" in row["config"]:
        inputs["type"] = "UnitsAsClip"
        del inputs["format_shape"]
    return under(row, **{"model.data_preprocessor": inputs})


def less_mean_frame(row: dict) -> dict:
    """A row that sees its frames less their mean over the video, as EgoGestAR's do."""
    inputs = Config.fromfile(MOVING).model.data_preprocessor
    return under(row, **{"model.data_preprocessor": dict(inputs, _delete_=True)})


def trained_for(epochs: int) -> dict[str, int]:
    """A recipe: this many epochs, with the learning rate's cycle over all of them."""
    return {
        "train_cfg.max_epochs": epochs,
        "train_cfg.val_interval": epochs // 5,
        "param_scheduler.0.total_steps": epochs,
    }


def crops(smallest: float, shapes: tuple[float, float]) -> dict[str, tuple[float, float]]:
    """A recipe: crops of at least this share of the picture, with a range of shapes."""
    step = "train_dataloader.dataset.pipeline.3"
    return {f"{step}.area_range": (smallest, 1.0), f"{step}.aspect_ratio_range": shapes}


# EgoGestAR's recipe: twice as many steps, on crops that move and bend the picture more.
BATCH = "train_dataloader.batch_size"
SMALL_CROPS = {BATCH: 8, **crops(0.4, (0.7, 1.4))}
LARGE_CROPS = {BATCH: 16, **crops(0.8, (0.86, 1.16))}


def started(data: str, seeds: Sequence[int]) -> dict[str, dict]:
    """Rows of blocks that start as large as F4D's, whose three maps of a half each add a half."""
    return {
        f"{name}_started": dict(started_at(networks(data)[name], 1.5**3), seeds=list(seeds))
        for name in ("no_attention", "v4d")
    }


def started_at(row: dict, scale: float) -> dict:
    """A row whose blocks start this many times as large."""
    hooks = [dict(type="StartingScaleHook", scale=scale)]
    imports = ["f4d_mmaction", "starting_scale"]
    return under(row, **{"custom_hooks": hooks, "custom_imports.imports": imports})


def units(data: str, number: int) -> dict:
    """A row: F4D on another number of units, in training and testing."""
    key = "dataloader.dataset.pipeline.1.num_units"
    options = {f"{split}_{key}": number for split in ("train", "val", "test")}
    return dict(network(data, "f4d"), options=options)


def variants(data: str, seeds: Sequence[int]) -> dict[str, dict]:
    """Rows of F4D in other forms, run with some of the study's seeds."""

    def f4d(**backbone: object) -> dict:
        return network(data, "f4d", **backbone)

    def attention(*modules: str) -> dict:
        return f4d(**{"block4d.attention": list(modules)})

    rows = dict(
        reading_a=f4d(placement=(0, 1, 0, 0), **{"block4d.mid_channels": None}),
        reading_b=f4d(**{"block4d.mid_channels": None}),
        units_2=units(data, 2),
        units_6=units(data, 6),
        units_8=units(data, 8),
        conv1=f4d(placement=(0, 0, 0, 0), stem_block4d=True),
        conv2=f4d(placement=("last", 0, 0, 0)),
        conv3=f4d(placement=(0, "last", 0, 0)),
        conv4=f4d(placement=(0, 0, "last", 0)),
        conv5=f4d(placement=(0, 0, 0, "last")),
        ta=attention(TA),
        ca=attention(CA),
        sta=attention(STA),
        se=attention("SEAttention"),
        cbam=attention("CBAMAttention"),
        stm=attention("STMAttention"),
        tea=attention("TEAAttention"),
    )
    return {name: dict(row, seeds=list(seeds)) for name, row in rows.items()}
