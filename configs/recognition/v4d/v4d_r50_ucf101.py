_base_ = "../f4d/f4d_r50_ucf101.py"

# V4D: full 4D blocks in conv3, after residual blocks 2 and 4.
model = dict(
    backbone=dict(
        block4d=dict(_delete_=True, type="V4DBlock", kernel_size=(3, 3, 1, 1)),
        placement=(0, (0, 1, 0, 1), 0, 0),
    )
)
