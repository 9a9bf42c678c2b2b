_base_ = "utd_mhad.py"

# Two actions of a person, one after the other: `prepare.py utd_mhad --sequences 2`.
data_root = "data/utd_mhad_sequences"
shared = dict(data_root=data_root, metainfo=dict(classes=f"{data_root}/label_map.txt"))
train_dataloader = dict(dataset=shared)
val_dataloader = dict(dataset=shared)
test_dataloader = dict(dataset=shared)
del shared
