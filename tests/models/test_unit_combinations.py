"""V4D's inference over combinations of units, against loops."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor

from f4d_mmaction.models.preprocessing import combinations

TRAIN_UNITS = 3
UNITS = 5  # sections of 1, 2 and 2 units


def recognizer(preprocessor: dict, **test_cfg: int):
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type="Recognizer3D",
            backbone=dict(
                type="ResNet4d",
                depth=18,
                base_channels=4,
                pretrained=None,
                block4d=dict(type="V4DBlock"),
                placement=(0, 1, 0, 0),
            ),
            cls_head=dict(
                type="I3DHead", in_channels=32, num_classes=5, average_clips="prob", dropout_ratio=0
            ),
            data_preprocessor=dict(mean=[120.0] * 3, std=[60.0] * 3, **preprocessor),
            test_cfg=test_cfg or None,
        )
    )
    for block in model.backbone.blocks4d.values():  # a fresh block hardly speaks
        torch.nn.init.ones_(block.norm.weight)
    torch.nn.init.normal_(model.cls_head.fc_cls.weight)
    return model.eval()


def scores(model, videos: list[Tensor]) -> Tensor:
    samples = [ActionDataSample().set_gt_label(0) for _ in videos]
    with torch.no_grad():
        found = model.test_step(dict(inputs=videos, data_samples=samples))
    return torch.stack([sample.pred_score for sample in found])


@pytest.fixture
def videos() -> list[Tensor]:
    torch.manual_seed(0)
    size = (2, UNITS, 3, 2, 16, 16)  # two views
    return [torch.randint(0, 256, size, dtype=torch.uint8) for _ in range(2)]


@pytest.mark.parametrize("test_cfg", [{}, {"max_testing_views": 3}])
def test_scores_are_the_mean_over_every_in_order_choice(videos: list[Tensor], test_cfg) -> None:
    plain = recognizer(dict(type="ActionDataPreprocessor", format_shape="NCTHW"))
    expected = torch.stack(
        [
            scores(plain, [video[:, choice] for video in videos])
            for choice in product([0], [1, 2], [3, 4])
        ]
    ).mean(0)
    model = recognizer(dict(type="UnitCombinations", train_units=TRAIN_UNITS), **test_cfg)
    if test_cfg:  # the host slices views of one video at a time
        found = torch.cat([scores(model, [video]) for video in videos])
    else:
        found = scores(model, videos)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, scores(plain, videos), atol=1e-4)  # all units at once


def test_training_sees_the_units_as_they_are(videos: list[Tensor]) -> None:
    model = recognizer(dict(type="UnitCombinations", train_units=TRAIN_UNITS))
    samples = [ActionDataSample().set_gt_label(0) for _ in videos]
    data = model.data_preprocessor(dict(inputs=videos, data_samples=samples), training=True)
    assert data["inputs"].shape == (2, *videos[0].shape)


@pytest.mark.parametrize("sections", range(1, 8))
def test_combinations_cover_sections_of_nearly_equal_size(sections: int) -> None:
    chosen = combinations(7, sections)
    sizes = [len(set(column.tolist())) for column in chosen.T]
    assert sum(sizes) == 7
    assert max(sizes) - min(sizes) <= 1
    assert len({tuple(row) for row in chosen.tolist()}) == len(chosen) == torch.tensor(sizes).prod()
    assert (chosen.diff(dim=1) > 0).all()


def test_too_few_units() -> None:
    with pytest.raises(ValueError, match="2 units into 3 sections"):
        combinations(2, 3)
