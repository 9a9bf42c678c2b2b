# F4D, reading C of docs/paper.md: one block after each of conv2 to conv5, M = C/8. A block without
# mid_channels has the matched width of readings A and B.
model = dict(
    type="Recognizer3D",
    backbone=dict(
        type="ResNet4d",
        depth=50,
        pretrained="https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
        block4d=dict(type="F4DBlock", kernel_size=(3, 3, 1, 1), mid_channels=1 / 8),
        placement=("last", "last", "last", "last"),
        channels_last=True,
    ),
    cls_head=dict(
        type="I3DHead",
        in_channels=2048,
        num_classes=400,
        spatial_type="avg",
        dropout_ratio=0.5,
        average_clips="prob",
    ),
    data_preprocessor=dict(
        type="ActionDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape="NCTHW",
    ),
    train_cfg=None,
    test_cfg=None,
)
