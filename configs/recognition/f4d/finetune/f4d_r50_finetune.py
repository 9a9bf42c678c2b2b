_base_ = [
    "../../../_base_/models/f4d_r50_from-k400.py",
    "../../../_base_/datasets/kinetics400.py",
    "../../../_base_/schedules/sgd_80e.py",
    "../../../_base_/default_runtime.py",
]

# Your own videos: copy this file, change the lines down to the next comment. In data_root lie
# videos/, and train.txt, val.txt and test.txt with a line `name.mp4 label` a video, labels from 0.
data_root = "data/mine"
num_classes = 3
videos_per_gpu = 8

model = dict(cls_head=dict(num_classes=num_classes))
train_dataloader = dict(batch_size=videos_per_gpu, dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root, ann_file="test.txt"))

# A pretrained trunk needs fewer epochs; the learning rate follows the number of videos a step.
train_cfg = dict(max_epochs=30, val_interval=1)
_base_.param_scheduler[0].update(end=30, milestones=[15, 25])
auto_scale_lr = dict(enable=True)
