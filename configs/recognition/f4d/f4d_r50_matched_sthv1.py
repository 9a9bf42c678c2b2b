_base_ = "f4d_r50_sthv1.py"

# Reading B of docs/paper.md: one block after each of conv2 to conv5, matched width.
model = dict(backbone=dict(block4d=dict(mid_channels=None)))
