_base_ = "../slowonly/slowonly_r18_utd_mhad_sequences.py"

# The same trunk with no kernel in time: it sees one frame at a time and averages all.
model = dict(backbone=dict(inflate=(0, 0, 0, 0)))
