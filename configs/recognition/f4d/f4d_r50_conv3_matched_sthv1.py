_base_ = "f4d_r50_sthv1.py"

# Reading A of docs/paper.md: V4D's places, after residual blocks 2 and 4 of conv3, matched width.
model = dict(backbone=dict(block4d=dict(mid_channels=None), placement=(0, (0, 1, 0, 1), 0, 0)))
