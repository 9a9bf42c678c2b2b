_base_ = "../slowonly/slowonly_r18_phase_order.py"

# TSN as the same trunk with no kernel in time: it sees one frame at a time and averages all.
# MMAction2's own ResNet knows no base_channels.
model = dict(backbone=dict(inflate=(0, 0, 0, 0)))
