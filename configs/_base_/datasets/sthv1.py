# Something-Something v1 as jpg frames `{id}/{:05d}.jpg` from 1; lists by tools/data/prepare.py.
data_root = "data/sthv1"
flip_label_map = {2: 4, 4: 2, 30: 41, 41: 30, 52: 66, 66: 52}  # left and right are classes

num_units, clip_len, frame_interval = 4, 8, 4
test_units = 10
decode = dict(type="DecodeRawUnits")
sample = dict(type="SampleActionUnits", clip_len=clip_len, frame_interval=frame_interval)

train_pipeline = [
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
    dict(type="Flip", flip_ratio=0.5, flip_label_map=flip_label_map),
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]
val_pipeline = [  # cheap: one center crop of four units
    dict(**sample, num_units=num_units, test_mode=True),
    decode,
    dict(type="Resize", scale=(-1, 256)),
    dict(type="CenterCrop", crop_size=224),
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]
test_pipeline = [  # the paper's protocol: three crops of ten units
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
        type="RawframeDataset",
        data_root=data_root,
        ann_file="train.txt",
        data_prefix=dict(img="rawframes"),
        filename_tmpl="{:05}.jpg",
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="RawframeDataset",
        data_root=data_root,
        ann_file="val.txt",
        data_prefix=dict(img="rawframes"),
        filename_tmpl="{:05}.jpg",
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
        type="RawframeDataset",
        data_root=data_root,
        ann_file="val.txt",
        data_prefix=dict(img="rawframes"),
        filename_tmpl="{:05}.jpg",
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_evaluator = dict(type="AccMetric")
test_evaluator = dict(type="AccMetric")

# Only the loaders hold the pipelines, so that a config changes a step in one place, for example
# `_base_.train_dataloader.dataset.pipeline[0].num_units = 7`; test_pipeline stays for MMAction2's
# inference_recognizer.
del num_units, clip_len, frame_interval, test_units
del decode, sample, train_pipeline, val_pipeline
