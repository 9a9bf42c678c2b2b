_base_ = "../f4d_r50_from-k400_sthv1.py"

model = dict(backbone=dict(block4d=dict(attention=["SpatioTemporalAttention"])))
