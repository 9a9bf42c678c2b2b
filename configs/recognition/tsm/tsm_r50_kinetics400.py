_base_ = [
    "../../_base_/models/tsm_r50.py",
    "../../_base_/datasets/kinetics400.py",
    "../../_base_/schedules/sgd_80e.py",
    "../../_base_/default_runtime.py",
]

model = dict(cls_head=dict(num_classes=400))
_base_.custom_hooks[0].test = "count"

# Tested with the number of frames it was trained with: four units a crop, not ten.
_base_.test_pipeline[1].num_units = 4
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
