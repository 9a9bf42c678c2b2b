_base_ = "../tsn/tsn_r18_phase_order.py"

# MMAction2's TSM on the same frames: U4 x T4 are 16 segments.
model = dict(
    backbone=dict(type="ResNetTSM", num_segments=16, shift_div=8),
    cls_head=dict(type="TSMHead", num_segments=16, spatial_type="avg", is_shift=True),
)
