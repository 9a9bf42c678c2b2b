_base_ = "kinetics400.py"

# Something-Something v2 as webm files.
data_root = "data/sthv2"
flip_label_map = {86: 87, 87: 86, 93: 94, 94: 93, 166: 167, 167: 166}  # left and right are classes
_base_.train_dataloader.dataset.pipeline[6].flip_label_map = flip_label_map
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
