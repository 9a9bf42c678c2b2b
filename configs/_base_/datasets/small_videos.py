# Videos of 64 x 64 pixels: what a laptop trains from scratch on a few hundred clips in minutes.
# A config on this base sets data_root, lists and classes, and may add steps that its classes allow:
# a flip where left and right are classes, a change of colors where there are colors.
num_units, clip_len, frame_interval = 4, 4, 2
size = (64, 64)
init, decode = dict(type="InitVideo"), dict(type="DecodeUnits")
sample = dict(
    type="SampleActionUnits",
    num_units=num_units,
    clip_len=clip_len,
    frame_interval=frame_interval,
)
# The whole picture at every size: a hand may be anywhere in it.
resize = dict(type="Resize", scale=size, keep_ratio=False)

train_pipeline = [
    init,
    sample,
    decode,
    dict(type="RandomResizedCrop", area_range=(0.8, 1.0), aspect_ratio_range=(0.86, 1.16)),
    resize,
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]
test_pipeline = [
    init,
    dict(**sample, test_mode=True),
    decode,
    resize,
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(type="VideoDataset", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="VideoDataset", pipeline=test_pipeline, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="AccMetric")
test_evaluator = dict(type="AccMetric")

del num_units, clip_len, frame_interval, size
del init, sample, decode, resize, train_pipeline
