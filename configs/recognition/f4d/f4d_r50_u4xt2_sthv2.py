_base_ = "f4d_r50_sthv2.py"

# 8 frames a video, as the FLOPs of the paper's Table I have it: 2 frames a unit, 4 apart.
_base_.train_pipeline[1].clip_len = 2
_base_.val_pipeline[1].clip_len = 2
_base_.test_pipeline[1].clip_len = 2
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
