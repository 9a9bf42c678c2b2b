_base_ = "../f4d/f4d_r18_utd_mhad_sequences.py"

# V4D: two full 4D blocks in conv3.
model = dict(
    backbone=dict(
        block4d=dict(_delete_=True, type="V4DBlock", kernel_size=(3, 3, 1, 1)),
        placement=(0, 1, 0, 0),
    )
)
