_base_ = "f4d_r50_finetune.py"

# One card of 8 videos: 16 batches make one step of 128 videos, whose learning rate is 0.01. The
# normalization still sees 8. With other batches or more cards set the count anew: 128 videos over
# those of one batch on all cards.
optim_wrapper = dict(accumulative_counts=16)
auto_scale_lr = dict(enable=False)
