_base_ = [
    "../../_base_/models/tsm_r50.py",
    "../../_base_/datasets/hmdb51.py",
    "../../_base_/schedules/sgd_80e.py",
    "../../_base_/default_runtime.py",
]

# From MMAction2's Kinetics-400 checkpoint.
model = dict(backbone=dict(pretrained=None, pretrained2d=False), cls_head=dict(num_classes=51))
load_from = "https://download.openmmlab.com/mmaction/v1.0/recognition/tsm/tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_kinetics400-rgb/tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_kinetics400-rgb_20220831-64d69186.pth"

# Tested with the number of frames it was trained with: four units a crop, not ten.
_base_.test_dataloader.dataset.pipeline[1].num_units = 4
test_pipeline = _base_.test_dataloader.dataset.pipeline
