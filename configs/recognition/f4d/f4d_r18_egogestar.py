_base_ = [
    "../../_base_/models/f4d_r18_moving.py",
    "../../_base_/datasets/egogestar.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/small_videos.py",
]
model = dict(cls_head=dict(num_classes=10))
default_hooks = dict(checkpoint=dict(interval=70, save_best=None))
auto_scale_lr = dict(base_batch_size=8)
