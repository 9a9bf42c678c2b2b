_base_ = [
    "../../_base_/models/f4d_r50.py",
    "../../_base_/datasets/kinetics400.py",
    "../../_base_/schedules/sgd_80e.py",
    "../../_base_/default_runtime.py",
]

model = dict(cls_head=dict(num_classes=400))
# Every copy of Kinetics has videos that cannot be read: count them as wrong answers in a test.
default_hooks = dict(bad_video=dict(test="count"))
