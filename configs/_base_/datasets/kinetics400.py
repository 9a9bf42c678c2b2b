# Kinetics-400 as mp4 files, and the base of the other datasets that come as video files; lists by
# tools/data/prepare.py.
data_root = "data/kinetics400"

num_units, clip_len, frame_interval = 4, 8, 4
test_units = 10
init, decode = dict(type="InitVideo"), dict(type="DecodeUnits")
sample = dict(type="SampleActionUnits", clip_len=clip_len, frame_interval=frame_interval)

train_pipeline = [
    init,
    dict(**sample, num_units=num_units),
    decode,
    dict(type="Resize", scale=(-1, 256)),
    dict(
        type="MultiScaleCrop",
        input_size=224,
        scales=(1, 0.875, 0.75, 0.66),
        random_crop=False,
        max_wh_scale_gap=1,
        num_fixed_crops=13,
    ),
    dict(type="Resize", scale=(224, 224), keep_ratio=False),
    dict(type="Flip", flip_ratio=0.5),
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]
val_pipeline = [  # cheap: one center crop of four units
    init,
    dict(**sample, num_units=num_units, test_mode=True),
    decode,
    dict(type="Resize", scale=(-1, 256)),
    dict(type="CenterCrop", crop_size=224),
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]
test_pipeline = [  # the paper's protocol: three crops of ten units
    init,
    dict(**sample, num_units=test_units, test_mode=True),
    decode,
    dict(type="Resize", scale=(-1, 256)),
    dict(type="ThreeCrop", crop_size=256),
    dict(type="Resize", scale=(224, 224), keep_ratio=False),
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]

train_dataloader = dict(
    batch_size=32,  # x 4 GPUs = the paper's 128
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="VideoDataset",
        data_root=data_root,
        ann_file="train.txt",
        data_prefix=dict(video="videos"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="VideoDataset",
        data_root=data_root,
        ann_file="val.txt",
        data_prefix=dict(video="videos"),
        pipeline=val_pipeline,
        test_mode=True,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="VideoDataset",
        data_root=data_root,
        ann_file="val.txt",
        data_prefix=dict(video="videos"),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_evaluator = dict(type="AccMetric")
test_evaluator = dict(type="AccMetric")

# Only the loaders hold the pipelines, so that a config changes a step in one place, for example
# `_base_.train_dataloader.dataset.pipeline[1].num_units = 7`; test_pipeline stays for MMAction2's
# inference_recognizer.
del num_units, clip_len, frame_interval, test_units
del init, decode, sample, train_pipeline, val_pipeline
