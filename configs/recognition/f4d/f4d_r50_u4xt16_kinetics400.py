_base_ = "f4d_r50_kinetics400.py"

# 16 frames a unit, two frames apart: the same snippets of 32 frames, read twice as densely.
_base_.train_dataloader.dataset.pipeline[1].update(clip_len=16, frame_interval=2)
_base_.val_dataloader.dataset.pipeline[1].update(clip_len=16, frame_interval=2)
_base_.test_dataloader.dataset.pipeline[1].update(clip_len=16, frame_interval=2)
test_pipeline = _base_.test_dataloader.dataset.pipeline
