# The paper's recipe (section IV.B); its weight decay is not given, 5e-4 is V4D's.
train_cfg = dict(type="ResumableEpochLoop", max_epochs=80, val_begin=1, val_interval=5)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
param_scheduler = [
    dict(type="MultiStepLR", begin=0, end=80, by_epoch=True, milestones=[20, 40, 60], gamma=0.1)
]
optim_wrapper = dict(
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4),
    clip_grad=dict(max_norm=40, norm_type=2),
)
# The learning rate belongs to 128 videos per step; `--auto-scale-lr` follows another number.
auto_scale_lr = dict(enable=False, base_batch_size=128)
