_base_ = "../f4d/f4d_r18_utd_mhad_sequences.py"

# The trunk alone: units meet only in the head's average.
model = dict(backbone=dict(placement=(0, 0, 0, 0)))
