_base_ = "f4d_r50_sthv2.py"

# 8 frames a video, the budget of the first rows of the paper's Table I.
_base_.train_pipeline[1].update(clip_len=2, frame_interval=16)
_base_.val_pipeline[1].update(clip_len=2, frame_interval=16)
_base_.test_pipeline[1].update(clip_len=2, frame_interval=16)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
