_base_ = [
    "../../_base_/models/f4d_r18_small.py",
    "../../_base_/datasets/utd_mhad_sequences.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/small_videos.py",
]
model = dict(cls_head=dict(num_classes=20))
default_hooks = dict(checkpoint=dict(interval=20, save_best=None))
train_cfg = dict(max_epochs=20, val_interval=4)
_base_.param_scheduler[0].total_steps = 20
