_base_ = "f4d_r50_finetune.py"

# Two of RandAugment's operations, the same for all frames of a video, after the crop to 224.
_base_.train_dataloader.dataset.pipeline.insert(
    6, dict(type="RandAugmentUnits", num_ops=2, magnitude=7)
)
