_base_ = "v4d_r50_sthv2.py"

# V4D's own inference: every in-order choice of four of the ten units, 36 views a crop. To test a
# checkpoint of the base config; the network takes 12 views at a time, of one video.
model = dict(
    data_preprocessor=dict(type="UnitCombinations", train_units=4),
    test_cfg=dict(_delete_=True, max_testing_views=12),
)
val_dataloader = dict(batch_size=1)
