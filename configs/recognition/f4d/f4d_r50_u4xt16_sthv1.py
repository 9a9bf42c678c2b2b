_base_ = "f4d_r50_sthv1.py"

# 16 frames a unit, two frames apart: the same snippets of 32 frames, read twice as densely.
_base_.train_pipeline[0].update(clip_len=16, frame_interval=2)
_base_.val_pipeline[0].update(clip_len=16, frame_interval=2)
_base_.test_pipeline[0].update(clip_len=16, frame_interval=2)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
