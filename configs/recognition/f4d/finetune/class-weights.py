_base_ = "f4d_r50_finetune.py"

# Rare classes count more: weights that are inverse to the number of training videos.
videos_per_class = [500, 100, 20]
weights = [sum(videos_per_class) / len(videos_per_class) / videos for videos in videos_per_class]
model = dict(cls_head=dict(loss_cls=dict(type="CrossEntropyLoss", class_weight=weights)))
