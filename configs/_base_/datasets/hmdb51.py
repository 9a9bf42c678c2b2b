_base_ = "kinetics400.py"

# HMDB51 as avi files, split 1; tools/train_splits.py trains all three splits.
data_root = "data/hmdb51"
train_dataloader = dict(dataset=dict(data_root=data_root, ann_file="train_split1.txt"))
val_dataloader = dict(dataset=dict(data_root=data_root, ann_file="val_split1.txt"))
test_dataloader = dict(dataset=dict(data_root=data_root, ann_file="val_split1.txt"))
