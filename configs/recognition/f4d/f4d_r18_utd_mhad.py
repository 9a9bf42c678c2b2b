_base_ = [
    "../../_base_/models/f4d_r18_small.py",
    "../../_base_/datasets/utd_mhad.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/small_videos.py",
]
model = dict(cls_head=dict(num_classes=27))
default_hooks = dict(checkpoint=dict(interval=30, save_best=None))
train_cfg = dict(max_epochs=30, val_interval=6)
_base_.param_scheduler[0].total_steps = 30
