_base_ = "../f4d_r50_from-k400_sthv1.py"

_base_.train_dataloader.dataset.pipeline[0].num_units = 6
