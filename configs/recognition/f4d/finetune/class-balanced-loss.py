_base_ = "f4d_r50_finetune.py"

# Rare classes count more, by their effective number of videos, and hard videos too (MMAction2's
# class-balanced focal loss).
videos_per_class = [500, 100, 20]
model = dict(
    cls_head=dict(
        loss_cls=dict(type="CBFocalLoss", samples_per_cls=videos_per_class, beta=0.999, gamma=2.0)
    )
)
