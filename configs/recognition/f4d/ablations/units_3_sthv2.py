_base_ = "../f4d_r50_from-k400_sthv2.py"

_base_.train_pipeline[1].num_units = 3
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
