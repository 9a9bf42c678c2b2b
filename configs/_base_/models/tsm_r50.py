_base_ = "tsn_r50.py"

# MMAction2's TSM: its shift needs the number of frames, here U4 x T8, fixed.
model = dict(
    backbone=dict(type="ResNetTSM", num_segments=32, shift_div=8),
    cls_head=dict(type="TSMHead", num_segments=32, is_shift=True),
)
