_base_ = "f4d_r50_sthv1.py"

# 16 frames a video, the budget of the last row of the paper's Table I.
_base_.train_pipeline[0].update(clip_len=4, frame_interval=8)
_base_.val_pipeline[0].update(clip_len=4, frame_interval=8)
_base_.test_pipeline[0].update(clip_len=4, frame_interval=8)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
