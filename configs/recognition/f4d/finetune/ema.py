_base_ = "f4d_r50_finetune.py"

# Validate, test and keep the moving average of the weights.
custom_hooks = [
    dict(type="EMAHook", ema_type="ExponentialMovingAverage", momentum=0.002, update_buffers=True),
]
