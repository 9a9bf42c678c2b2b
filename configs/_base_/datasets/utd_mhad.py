_base_ = "small_videos.py"

# UTD-MHAD's depth, cross-subject: `python tools/data/prepare.py utd_mhad`.
data_root = "data/utd_mhad"
shared = dict(
    data_root=data_root,
    data_prefix=dict(video="videos"),
    metainfo=dict(classes=f"{data_root}/label_map.txt"),
)
train_dataloader = dict(dataset=dict(**shared, ann_file="train.txt"))
val_dataloader = dict(dataset=dict(**shared, ann_file="test.txt"))
test_dataloader = val_dataloader
del shared
