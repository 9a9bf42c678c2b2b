"""The network within MMAction2's recognizers: heads, views, preprocessors."""

from __future__ import annotations

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

CLASSES, U, T, SIZE = 5, 4, 2, 32
BACKBONE = dict(type="ResNet4d", depth=18, base_channels=8, pretrained=None)


def recognizer(**options: object) -> nn.Module:
    torch.manual_seed(0)
    config = dict(
        type="Recognizer3D",
        backbone=BACKBONE,
        cls_head=dict(
            type="I3DHead",
            in_channels=64,
            num_classes=CLASSES,
            average_clips="prob",
            dropout_ratio=0,
        ),
        data_preprocessor=dict(
            type="ActionDataPreprocessor",
            mean=[120, 110, 100],
            std=[58, 57, 56],
            format_shape="NCTHW",
        ),
    )
    model = MODELS.build({**config, **options})
    model.init_weights()
    for block in model.backbone.blocks4d.values():
        nn.init.uniform_(block.norm.weight, 0.5, 1.0)
    nn.init.normal_(model.cls_head.fc_cls.weight)
    return model.eval()


def batch(videos: int, views: int) -> dict:
    torch.manual_seed(1)
    inputs = [
        torch.randint(256, (views, U, 3, T, SIZE, SIZE), dtype=torch.uint8) for _ in range(videos)
    ]
    samples = [ActionDataSample().set_gt_label(i % CLASSES) for i in range(videos)]
    return dict(inputs=inputs, data_samples=samples)


def scores(model: nn.Module, data: dict) -> Tensor:
    return torch.stack([sample.pred_score for sample in model.test_step(data)])


def test_preprocessor_normalises_each_channel_of_each_unit() -> None:
    model = recognizer()
    data = batch(2, 3)
    got = model.data_preprocessor(data)["inputs"]
    mean = torch.tensor([120.0, 110, 100]).view(3, 1, 1, 1)
    std = torch.tensor([58.0, 57, 56]).view(3, 1, 1, 1)
    torch.testing.assert_close(got, (torch.stack(data["inputs"]) - mean) / std)


def test_views_are_averaged() -> None:
    model = recognizer()
    data = batch(1, 3)
    each = [
        scores(model, dict(inputs=[view[None]], data_samples=data["data_samples"]))[0]
        for view in data["inputs"][0]
    ]
    torch.testing.assert_close(scores(model, data)[0], torch.stack(each).mean(0))


@pytest.mark.parametrize("views_at_once", [1, 2, 3, 7])
def test_max_testing_views_slices_whole_crops(views_at_once: int) -> None:
    data = batch(1, 3)
    expected = scores(recognizer(), data)
    got = scores(recognizer(test_cfg=dict(max_testing_views=views_at_once)), data)
    torch.testing.assert_close(got, expected)


def test_training_step_gives_a_finite_loss() -> None:
    model = recognizer().train()
    data = model.data_preprocessor(batch(3, 1), training=True)
    losses = model(**data, mode="loss")
    assert losses["loss_cls"].isfinite()
    losses["loss_cls"].backward()


def test_units_as_frames_keeps_time_order() -> None:
    preprocessor = MODELS.build(dict(type="UnitsAsFrames"))
    data = batch(2, 3)
    got = preprocessor(data)["inputs"]
    assert got.shape == (2, 3 * U * T, 3, SIZE, SIZE)
    for view in range(3):
        for unit in range(U):
            for t in range(T):
                frame = got[1, (view * U + unit) * T + t]
                assert torch.equal(frame, data["inputs"][1][view, unit, :, t].float())


def test_units_as_clip_joins_units_in_time() -> None:
    preprocessor = MODELS.build(dict(type="UnitsAsClip"))
    data = batch(2, 3)
    got = preprocessor(data)["inputs"]
    assert got.shape == (2, 3, 3, U * T, SIZE, SIZE)
    assert torch.equal(got[0, 2, :, T], data["inputs"][0][2, 1, :, 0].float())


@pytest.mark.parametrize("name", ["UnitsAsFrames", "UnitsAsClip"])
def test_other_inputs_than_packed_units_are_refused(name: str) -> None:
    data = dict(inputs=[torch.zeros(8, 3, 32, 32)], data_samples=None)
    with pytest.raises(ValueError, match="must end in FormatActionUnits"):
        MODELS.build(dict(type=name))(data)
