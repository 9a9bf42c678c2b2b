_base_ = "f4d_r50_finetune.py"

# Each video is read once and augmented twice: half as many videos a batch, as many samples. The
# host's dataset wants its own decoder, which tells no bad videos apart.
_base_.train_pipeline[0] = dict(type="DecordInit")
_base_.train_pipeline[2] = dict(type="DecordDecode")
train_dataloader = dict(
    batch_size=4,
    collate_fn=dict(type="repeat_pseudo_collate"),
    dataset=dict(type="RepeatAugDataset", num_repeats=2, pipeline=_base_.train_pipeline),
)
custom_hooks = _base_.custom_hooks[1:]  # all but BadVideoHook
# The host counts videos, not samples: a step of 4 videos is one of 8 samples.
auto_scale_lr = dict(base_batch_size=64)
