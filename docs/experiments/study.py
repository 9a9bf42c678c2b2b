"""Tables II to V of the paper and its rivals in miniature, on a harder form of the benchmark.

`python tools/experiments/sweep.py docs/experiments/study.py` runs what is missing and writes
docs/experiments.md anew.
"""

results = "results.jsonl"
document = "../experiments.md"
seeds = [0, 1, 2]

# Read as pictures of 32 pixels: decoding whole videos would take longer than training on them.
benchmark = dict(
    root="data/phase_order_study",
    preset="hard",
    options=dict(cue="shape", size=32, storage="frames"),
)

# ------------------------------------------------------------------- one recipe for every network
epochs = 16


def loader(split, test):
    """Read a split of the benchmark."""
    sampler = dict(type="SampleActionUnits", num_units=4, clip_len=2, frame_interval=4)
    return dict(
        batch_size=40 if test else 16,
        num_workers=0,
        persistent_workers=False,
        dataset=dict(
            _delete_=True,
            type="RawframeDataset",
            ann_file=f"{benchmark['root']}/{split}.txt",
            data_prefix=dict(img=benchmark["root"]),
            pipeline=[
                dict(sampler, test_mode=test),
                dict(type="RawFrameDecode"),
                dict(type="FormatActionUnits"),
                dict(type="PackActionInputs"),
            ],
            test_mode=test,
        ),
    )


options = dict(
    model=dict(cls_head=dict(num_classes=12)),
    train_dataloader=loader("train", test=False),
    val_dataloader=loader("test", test=True),
    test_dataloader=loader("test", test=True),
    train_cfg=dict(max_epochs=epochs, val_interval=2),
    optim_wrapper=dict(
        optimizer=dict(_delete_=True, type="SGD", lr=0.1, momentum=0.9, weight_decay=5e-4)
    ),
    param_scheduler=[
        dict(
            type="OneCycleLR",
            eta_max=0.1,
            total_steps=epochs,
            by_epoch=True,
            convert_to_iter_based=True,
        )
    ],
    default_hooks=dict(
        logger=dict(interval=1000, ignore_last=False),
        checkpoint=dict(interval=-1, save_best=None),
    ),
    log_processor=dict(
        custom_cfg=[dict(data_src="top1_acc", method_name="mean", window_size="epoch")]
    ),
)

# ----------------------------------------------------------------- networks, in the order they run
configs = "configs/recognition"
f4d = f"{configs}/f4d/f4d_r18_phase_order.py"
v4d = f"{configs}/v4d/v4d_r18_phase_order.py"
TA, CA, STA = "TemporalAttention", "ChannelAttention", "SpatioTemporalAttention"


def variant(placement=None, **changes):
    """F4D with other blocks, or blocks elsewhere."""
    changes = {f"model.backbone.{name}": value for name, value in changes.items()}
    if placement is not None:
        changes["model.backbone.placement"] = placement
    return dict(config=f4d, options=changes)


def attention(*modules):
    """F4D with these modules in the place of its attention."""
    return variant(**{"block4d.attention": list(modules)})


def units(number):
    """F4D on another number of units, in training and testing."""
    changes = {
        f"{split}_dataloader.dataset.pipeline.0.num_units": number
        for split in ("train", "val", "test")
    }
    return dict(config=f4d, options=changes)


longer = {"train_cfg.max_epochs": 2 * epochs, "param_scheduler.0.total_steps": 2 * epochs}

rows = dict(
    f4d=variant(),
    v4d=dict(config=v4d),
    slowonly=dict(config=f"{configs}/slowonly/slowonly_r18_phase_order.py"),
    tsn=dict(config=f"{configs}/tsn/tsn_r18_phase_order.py"),
    reading_a=variant((0, 1, 0, 0), **{"block4d.mid_channels": None}),
    reading_b=variant(**{"block4d.mid_channels": None}),
    no_attention=attention(),
    units_2=units(2),
    units_8=units(8),
    conv3=variant((0, "last", 0, 0)),
    conv5=variant((0, 0, 0, "last")),
    units_3=units(3),
    units_6=units(6),
    f4d_longer=dict(config=f4d, options=longer),
    v4d_longer=dict(config=v4d, options=longer),
    no_attention_longer=dict(config=f4d, options=attention()["options"] | longer),
    conv1=variant((0, 0, 0, 0), stem_block4d=True),
    conv2=variant(("last", 0, 0, 0)),
    conv4=variant((0, 0, "last", 0)),
    ta=attention(TA),
    ca=attention(CA),
    sta=attention(STA),
    ta_ca=attention(TA, CA),
    ca_sta=attention(CA, STA),
    se=attention("SEAttention"),
    cbam=attention("CBAMAttention"),
    stm=attention("STMAttention"),
    tea=attention("TEAAttention"),
    conv2_3=variant(("last", "last", 0, 0)),
    conv3_4=variant((0, "last", "last", 0)),
    tsm=dict(  # eight frames are its segments; four times as wide, so it takes longest
        config=f"{configs}/tsm/tsm_r18_phase_order.py",
        options=dict(model=dict(backbone=dict(num_segments=8), cls_head=dict(num_segments=8))),
    ),
)

# --------------------------------------------------------- tables: section of the document -> rows
tables = dict(
    networks=dict(
        title="Networks",
        rows={
            "TSN": "tsn",
            "TSM (four times as wide)": "tsm",
            "SlowOnly (no 4D block)": "slowonly",
            "V4D (two blocks in conv3)": "v4d",
            "F4D": "f4d",
            "V4D, 32 epochs": "v4d_longer",
            "F4D, 32 epochs": "f4d_longer",
            "F4D without attention, 32 epochs": "no_attention_longer",
        },
    ),
    readings=dict(
        title="Readings of F4D",
        rows={
            "A: two blocks in conv3, matched M": "reading_a",
            "B: conv2-5, matched M": "reading_b",
            "C: conv2-5, M = C/8": "f4d",
        },
    ),
    locations=dict(
        title="Table II: location of the blocks",
        rows={
            "conv1": "conv1",
            "conv2": "conv2",
            "conv3": "conv3",
            "conv4": "conv4",
            "conv5": "conv5",
            "conv2-3": "conv2_3",
            "conv3-4": "conv3_4",
            "conv2-5": "f4d",
        },
    ),
    units=dict(
        title="Table III: units",
        rows={
            "U = 2": "units_2",
            "U = 3": "units_3",
            "U = 4": "f4d",
            "U = 6": "units_6",
            "U = 8": "units_8",
        },
    ),
    attention=dict(
        title="Table IV: attention",
        rows={
            "none": "no_attention",
            "CA": "ca",
            "STA": "sta",
            "CA+STA": "ca_sta",
            "TA": "ta",
            "TA+CA": "ta_ca",
            "TA+CA+STA": "f4d",
        },
    ),
    modules=dict(
        title="Table V: other modules",
        rows={
            "SE": "se",
            "CBAM": "cbam",
            "STM block": "stm",
            "TEA block": "tea",
            "TA+CA+STA": "f4d",
        },
    ),
)
curves = dict(V4D="v4d", F4D="f4d")
