# The benchmark that ships with the project: `tools/data/make_benchmark.py data/phase_order`.
data_root = "data/phase_order/"
metainfo = dict(classes=data_root + "classes.txt")  # checkpoints carry the names

train_pipeline = [
    dict(type="InitVideo"),
    dict(type="SampleActionUnits", num_units=4, clip_len=4, frame_interval=2),
    dict(type="DecodeUnits"),
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]
test_pipeline = [
    dict(type="InitVideo"),
    dict(type="SampleActionUnits", num_units=4, clip_len=4, frame_interval=2, test_mode=True),
    dict(type="DecodeUnits"),
    dict(type="Resize", scale=(-1, 64)),  # does nothing to the benchmark; for videos of others
    dict(type="CenterCrop", crop_size=64),
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="VideoDataset",
        ann_file=data_root + "train.txt",
        data_prefix=dict(video=data_root),
        metainfo=metainfo,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="VideoDataset",
        ann_file=data_root + "test.txt",
        data_prefix=dict(video=data_root),
        metainfo=metainfo,
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="AccMetric")
test_evaluator = dict(type="AccMetric")
