_base_ = "v4d_r50_kinetics400.py"

# The block of V4D's published code: neither normalization nor ReLU follows the convolution.
model = dict(backbone=dict(block4d=dict(norm_cfg=None, act_cfg=None)))
