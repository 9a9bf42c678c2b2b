_base_ = "f4d_r50_finetune.py"

# Two of RandAugment's operations, the same for all frames of a video, once these have their size.
steps = _base_.train_dataloader.dataset.pipeline
place = [step["type"] for step in steps].index("FormatActionUnits")
steps.insert(place, dict(type="RandAugmentUnits", num_ops=2, magnitude=7))
del steps, place
