_base_ = "v4d_r50_hmdb51.py"

# The placement of V4D's paper: after every other residual block of conv3 and conv4.
model = dict(backbone=dict(placement=(0, (0, 1, 0, 1), (0, 1, 0, 1, 0, 1), 0)))
