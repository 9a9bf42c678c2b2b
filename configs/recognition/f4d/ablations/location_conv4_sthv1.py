_base_ = "../f4d_r50_from-k400_sthv1.py"

model = dict(backbone=dict(placement=(0, 0, "last", 0)))
