_base_ = "f4d_r50_finetune.py"

# Validate, test and keep the moving average of the weights. With accumulate.py a step has 16
# iterations: add interval=16, or the average is of a sixteenth of the steps.
custom_hooks = [
    dict(
        type="SyncedEMAHook",
        ema_type="ExponentialMovingAverage",
        momentum=0.002,
        update_buffers=True,
    ),
]
