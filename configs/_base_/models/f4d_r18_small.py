# A network a laptop trains in minutes: ResNet-18 of a quarter's width.
model = dict(
    type="Recognizer3D",
    backbone=dict(
        type="ResNet4d",
        depth=18,
        base_channels=16,
        pretrained=None,
        block4d=dict(type="F4DBlock", kernel_size=(3, 3, 1, 1), mid_channels=1 / 8, dropout=0.1),
        placement=("last", "last", "last", "last"),
        channels_last=True,
    ),
    cls_head=dict(
        type="I3DHead",
        in_channels=128,
        num_classes=8,
        spatial_type="avg",
        dropout_ratio=0.0,
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
