_base_ = "../f4d/f4d_r18_utd_mhad_sequences.py"

# The same trunk with channels shifted over the video's U*T frames in place of kernels in time.
model = dict(
    backbone=dict(_delete_=True, type="SlowOnlyTSM", depth=18, base_channels=16, pretrained=None),
    data_preprocessor=dict(
        _delete_=True,
        type="UnitsAsClip",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
    ),
)
