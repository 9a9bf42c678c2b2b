_base_ = "../f4d_r50_from-k400_sthv2.py"

model = dict(backbone=dict(stem_block4d=True, placement=(0, 0, 0, 0)))
