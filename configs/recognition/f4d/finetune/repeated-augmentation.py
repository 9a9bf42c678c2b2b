_base_ = "f4d_r50_finetune.py"

# Each video is read once and augmented twice: half as many videos a batch, as many samples. The
# host's dataset needs the host's decoder, which does not report bad videos: no BadVideoHook.
_base_.train_dataloader.dataset.pipeline[0] = dict(type="DecordInit")
_base_.train_dataloader.dataset.pipeline[2] = dict(type="DecordDecode")
train_dataloader = dict(
    batch_size=4,
    collate_fn=dict(type="repeat_pseudo_collate"),
    dataset=dict(type="RepeatAugDataset", num_repeats=2),
)
_base_.default_hooks.pop("bad_video")
# The host counts videos, not samples: a step of 4 videos is one of 8 samples. So both numbers here
# are half of those in the config above.
auto_scale_lr = dict(base_batch_size=64)
