_base_ = [
    "../../_base_/models/tsn_r50.py",
    "../../_base_/datasets/hmdb51.py",
    "../../_base_/schedules/sgd_80e.py",
    "../../_base_/default_runtime.py",
]

# From MMAction2's Kinetics-400 checkpoint.
model = dict(backbone=dict(pretrained=None), cls_head=dict(num_classes=51))
load_from = "https://download.openmmlab.com/mmaction/v1.0/recognition/tsn/tsn_imagenet-pretrained-r50_8xb32-1x1x8-100e_kinetics400-rgb/tsn_imagenet-pretrained-r50_8xb32-1x1x8-100e_kinetics400-rgb_20220906-2692d16c.pth"
