# From scratch on a few hundred small videos. The accuracy comes late, when the rate falls; the last
# epoch's weights are the result, as nothing may be selected on the test clips.
max_epochs = 70
train_cfg = dict(
    type="ResumableEpochLoop", max_epochs=max_epochs, val_begin=1, val_interval=max_epochs // 6
)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
param_scheduler = [
    dict(
        type="OneCycleLR",
        eta_max=0.1,
        pct_start=0.15,
        total_steps=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
optim_wrapper = dict(
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=5e-4),
    clip_grad=dict(max_norm=40, norm_type=2),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
del max_epochs
