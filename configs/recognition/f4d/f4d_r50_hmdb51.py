_base_ = [
    "../../_base_/models/f4d_r50_from-k400.py",
    "../../_base_/datasets/hmdb51.py",
    "../../_base_/schedules/sgd_80e.py",
    "../../_base_/default_runtime.py",
]

model = dict(cls_head=dict(num_classes=51))
