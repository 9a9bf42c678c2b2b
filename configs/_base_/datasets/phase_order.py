# The benchmark that ships with the project: `tools/data/make_benchmark.py data/phase_order`.
data_root = "data/phase_order/"
metainfo = dict(classes=data_root + "classes.txt")  # checkpoints carry the names

num_units, clip_len, frame_interval = 4, 4, 2
init, decode = dict(type="InitVideo"), dict(type="DecodeUnits")
sample = dict(type="SampleActionUnits", clip_len=clip_len, frame_interval=frame_interval)

train_pipeline = [
    init,
    dict(**sample, num_units=num_units),
    decode,
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]
test_pipeline = [
    init,
    dict(**sample, num_units=num_units, test_mode=True),
    decode,
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

# Only the loaders hold the pipelines, so that a config changes a step in one place, for example
# `_base_.train_dataloader.dataset.pipeline[1].num_units = 7`; test_pipeline stays for MMAction2's
# inference_recognizer.
del num_units, clip_len, frame_interval
del init, decode, sample, train_pipeline
