_base_ = "../f4d_r50_from-k400_sthv2.py"

_base_.train_dataloader.dataset.pipeline[1].num_units = 6
