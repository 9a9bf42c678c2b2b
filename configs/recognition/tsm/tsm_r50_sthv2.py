_base_ = [
    "../../_base_/models/tsm_r50.py",
    "../../_base_/datasets/sthv2.py",
    "../../_base_/schedules/sgd_80e.py",
    "../../_base_/default_runtime.py",
]

model = dict(cls_head=dict(num_classes=174))

# Tested with the number of frames it was trained with: four units a crop, not ten.
_base_.test_dataloader.dataset.pipeline[1].num_units = 4
test_pipeline = _base_.test_dataloader.dataset.pipeline
