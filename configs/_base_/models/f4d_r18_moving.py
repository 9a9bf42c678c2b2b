_base_ = "f4d_r18_small.py"

# A network sees what moves: a few hundred clips of few places would be told apart by the places.
model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type="ActionUnits",
        subtract_mean_frame=True,
        mean=[0, 0, 0],
        std=[58.395, 57.12, 57.375],
    )
)
