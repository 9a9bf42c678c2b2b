_base_ = "f4d_r50_finetune.py"

# Videos of a batch are blended, and their labels with them.
num_classes = _base_.model.cls_head.num_classes
model = dict(
    data_preprocessor=dict(
        blending=dict(
            type="RandomBatchAugment",
            augments=[
                dict(type="MixupBlending", alpha=0.8, num_classes=num_classes),
                dict(type="CutmixBlending", alpha=1.0, num_classes=num_classes),
            ],
        )
    )
)
