_base_ = "small_videos.py"

# For networks that see what moves: small batches, of crops that move and bend the picture more.
train_dataloader = dict(batch_size=8)
_base_.train_dataloader.dataset.pipeline[3].update(
    area_range=(0.4, 1.0), aspect_ratio_range=(0.7, 1.4)
)
