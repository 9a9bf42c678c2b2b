_base_ = "../f4d/f4d_r18_egogestar.py"

# The same trunk with channels shifted over the video's U*T frames in place of kernels in time.
model = dict(
    backbone=dict(_delete_=True, type="SlowOnlyTSM", depth=18, base_channels=16, pretrained=None),
    data_preprocessor=dict(type="UnitsAsClip"),
)
