_base_ = "f4d_r50.py"

# A network a laptop trains in minutes: ResNet-18 of a quarter's width, for the shipped benchmark.
model = dict(
    backbone=dict(depth=18, base_channels=16, pretrained=None),
    cls_head=dict(in_channels=128, num_classes=8, dropout_ratio=0.0),
)
