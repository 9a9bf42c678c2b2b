# MMAction2's TSN on the frames of the units.
model = dict(
    type="Recognizer2D",
    backbone=dict(
        type="ResNet",
        depth=50,
        pretrained="https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
    ),
    cls_head=dict(
        type="TSNHead",
        in_channels=2048,
        num_classes=400,
        spatial_type="avg",
        consensus=dict(type="AvgConsensus", dim=1),
        dropout_ratio=0.5,
        average_clips="prob",
    ),
    data_preprocessor=dict(
        type="UnitsAsFrames",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
    ),
    train_cfg=None,
    test_cfg=None,
)
