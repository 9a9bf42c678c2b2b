_base_ = "f4d_r50_sthv2.py"

# 8 frames a video, as the FLOPs of the paper's Table I have it: 2 frames a unit, 4 apart.
_base_.train_dataloader.dataset.pipeline[1].clip_len = 2
_base_.val_dataloader.dataset.pipeline[1].clip_len = 2
_base_.test_dataloader.dataset.pipeline[1].clip_len = 2
test_pipeline = _base_.test_dataloader.dataset.pipeline
