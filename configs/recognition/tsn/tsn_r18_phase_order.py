_base_ = "../f4d/f4d_r18_phase_order.py"

# MMAction2's TSN on the same frames.
model = dict(
    _delete_=True,
    type="Recognizer2D",
    backbone=dict(type="ResNet", depth=18, base_channels=16, pretrained=None),
    cls_head=dict(
        type="TSNHead",
        in_channels=128,
        num_classes=8,
        consensus=dict(type="AvgConsensus", dim=1),
        dropout_ratio=0.0,
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
