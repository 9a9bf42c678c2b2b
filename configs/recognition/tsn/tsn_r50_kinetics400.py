_base_ = [
    "../../_base_/models/tsn_r50.py",
    "../../_base_/datasets/kinetics400.py",
    "../../_base_/schedules/sgd_80e.py",
    "../../_base_/default_runtime.py",
]

model = dict(cls_head=dict(num_classes=400))
default_hooks = dict(bad_video=dict(test="count"))
