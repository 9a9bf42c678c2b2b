_base_ = "f4d_r18_phase_order.py"

# Several labels a video: which phase comes first (classes 0 to 3) and which last (4 to 7). A line
# of a list is `train/00000.mp4 2 5`.
lists = "data/phase_order/first_last/"
labels = dict(multi_class=True, num_classes=8, metainfo=dict(classes=lists + "classes.txt"))
train_dataloader = dict(dataset=dict(ann_file=lists + "train.txt", **labels))
val_dataloader = dict(dataset=dict(ann_file=lists + "test.txt", **labels))
test_dataloader = val_dataloader

# Each class by itself: a sigmoid of its logit, which views average first. The loss is the sum over
# the 8 classes; their mean would need a learning rate of its own.
loss = dict(type="BCELossWithLogits", loss_weight=8.0)
model = dict(cls_head=dict(multi_class=True, loss_cls=loss, average_clips="score"))
val_evaluator = dict(metric_list="mean_average_precision")
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best="acc/mean_average_precision"))
del lists, labels, loss
