_base_ = [
    "../../_base_/models/f4d_r18_small.py",
    "../../_base_/datasets/egogestar.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/small_videos.py",
]
# A network sees what moves: some 170 clips of few places would be told apart by their backgrounds.
model = dict(
    cls_head=dict(num_classes=10),
    data_preprocessor=dict(
        _delete_=True,
        type="ActionUnits",
        subtract_mean_frame=True,
        mean=[0, 0, 0],
        std=[58.395, 57.12, 57.375],
    ),
)
default_hooks = dict(checkpoint=dict(interval=70, save_best=None))
auto_scale_lr = dict(base_batch_size=8)
