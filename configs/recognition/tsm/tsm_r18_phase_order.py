_base_ = "../f4d/f4d_r18_phase_order.py"

# MMAction2's TSM on the same frames: U4 x T4 are 16 segments. Its ResNet knows no base_channels, so
# it is four times as wide as the networks beside it.
model = dict(
    _delete_=True,
    type="Recognizer2D",
    backbone=dict(
        type="ResNetTSM",
        depth=18,
        pretrained=None,
        pretrained2d=False,
        num_segments=16,
        shift_div=8,
    ),
    cls_head=dict(
        type="TSMHead",
        in_channels=512,
        num_classes=8,
        num_segments=16,
        spatial_type="avg",
        is_shift=True,
        consensus=dict(type="AvgConsensus", dim=1),
        dropout_ratio=0.0,
        average_clips="prob",
    ),
    data_preprocessor=dict(
        type="UnitsAsFrames",
        num_segments=16,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
    ),
    train_cfg=None,
    test_cfg=None,
)
