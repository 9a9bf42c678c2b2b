_base_ = "../f4d_r50_from-k400_sthv1.py"

model = dict(backbone=dict(stem_block4d=True, placement=(0, 0, 0, 0)))
