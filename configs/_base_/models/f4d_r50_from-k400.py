_base_ = "f4d_r50.py"

# The trunk starts from MMAction2's SlowOnly, trained on ImageNet and Kinetics-400; the head of 400
# classes is left out where the dataset has other classes. Set load_from to a checkpoint of
# f4d_r50_kinetics400.py to start from a whole F4D network.
model = dict(backbone=dict(pretrained=None))
load_from = "https://download.openmmlab.com/mmaction/v1.0/recognition/slowonly/slowonly_imagenet-pretrained-r50_8xb16-8x8x1-steplr-150e_kinetics400-rgb/slowonly_imagenet-pretrained-r50_8xb16-8x8x1-steplr-150e_kinetics400-rgb_20220901-df42dc84.pth"
