_base_ = "moving_videos.py"

# EgoGestAR, fold 1 of five: `python tools/data/prepare.py egogestar`.
data_root = "data/egogestar"
shared = dict(
    data_root=data_root,
    data_prefix=dict(video="videos"),
    metainfo=dict(classes=f"{data_root}/label_map.txt"),
)
train_dataloader = dict(dataset=dict(**shared, ann_file="train_fold1.txt"))
val_dataloader = dict(dataset=dict(**shared, ann_file="test_fold1.txt"))
test_dataloader = val_dataloader

# Not mirrored: every hand comes from the right, and mirrored ones only slow the learning.
_base_.train_dataloader.dataset.pipeline.insert(
    5, dict(type="ColorJitter", brightness=0.2, contrast=0.2, saturation=0.2, hue=0.0)
)
del shared
