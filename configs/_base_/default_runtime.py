default_scope = "mmaction"
custom_imports = dict(imports=["f4d_mmaction"], allow_failed_imports=False)

default_hooks = dict(
    runtime_info=dict(type="RuntimeInfoHook"),
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=20, ignore_last=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="SafeCheckpointHook", interval=1, save_best="acc/top1", max_keep_ckpts=3),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    sync_buffers=dict(type="SyncBuffersHook"),
    invalid_numbers=dict(type="InvalidNumbersHook"),
    preemption=dict(type="PreemptionHook"),
    curves=dict(type="ErrorCurveHook"),
    # Bad videos are replaced in training, and stop a validation or test.
    bad_video=dict(type="BadVideoHook"),
    labels=dict(type="CheckLabelsHook"),
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
log_processor = dict(
    type="LogProcessor",
    window_size=20,
    by_epoch=True,
    # The training accuracy of the epoch so far; a single batch's jumps too much to tell anything.
    custom_cfg=[
        dict(data_src=name, method_name="mean", window_size="epoch")
        for name in ("top1_acc", "top5_acc")
    ],
)
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="ActionVisualizer", vis_backends=vis_backends)
log_level = "INFO"
