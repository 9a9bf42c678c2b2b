"""The network within MMAction2's recognizers: heads, views, preprocessors."""

from itertools import product

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

from f4d_mmaction.models.preprocessing import combinations

CLASSES, U, T, SIZE = 5, 5, 2, 32
STATISTICS = dict(mean=[120, 110, 100], std=[58, 57, 56])
PLAIN = dict(type="ActionDataPreprocessor", format_shape="NCTHW")
SECTIONS = dict(type="UnitCombinations", train_units=3)  # of 1, 2 and 2 units


def recognizer(preprocessor: dict = PLAIN, **test_cfg: int) -> nn.Module:
    torch.manual_seed(0)
    backbone = dict(type="ResNet4d", depth=18, base_channels=4, pretrained=None)
    head = dict(type="I3DHead", in_channels=32, num_classes=CLASSES, average_clips="prob")
    model = MODELS.build(
        dict(
            type="Recognizer3D",
            backbone=backbone,
            cls_head=head,
            data_preprocessor={**STATISTICS, **preprocessor},
            test_cfg=test_cfg or None,
        )
    )
    for block in model.backbone.blocks4d.values():  # a fresh block hardly speaks
        nn.init.uniform_(block.norm.weight, 0.5, 1.0)
    nn.init.normal_(model.cls_head.fc_cls.weight, std=0.05)  # no score near 0 or 1
    return model.eval()


def noise(videos: int, views: int) -> list[Tensor]:
    torch.manual_seed(1)
    size = (views, U, 3, T, SIZE, SIZE)
    return [torch.randint(256, size, dtype=torch.uint8) for _ in range(videos)]


def batch(videos: list[Tensor]) -> dict:
    return dict(inputs=videos, data_samples=[ActionDataSample().set_gt_label(0) for _ in videos])


def scores(model: nn.Module, videos: list[Tensor]) -> Tensor:
    with torch.no_grad():
        return torch.stack([sample.pred_score for sample in model.test_step(batch(videos))])


def test_preprocessor_normalises_each_channel_of_each_unit() -> None:
    videos = noise(2, 3)
    got = recognizer().data_preprocessor(batch(videos))["inputs"]
    mean, std = (torch.tensor(STATISTICS[key]).view(3, 1, 1, 1) for key in ("mean", "std"))
    torch.testing.assert_close(got, (torch.stack(videos) - mean) / std)


@pytest.mark.parametrize("views_at_once", [None, 1, 2, 7])
def test_views_are_averaged_and_sliced_as_whole_crops(views_at_once: int | None) -> None:
    (video,) = noise(1, 3)
    each = [scores(recognizer(), [view[None]])[0] for view in video]
    options = {} if views_at_once is None else dict(max_testing_views=views_at_once)
    got = scores(recognizer(**options), [video])
    torch.testing.assert_close(got[0], torch.stack(each).mean(0))


def test_units_as_frames_keep_time_order_and_as_a_clip_are_joined() -> None:
    videos = noise(2, 3)
    # A config inherits the form of the preprocessor that it replaces.
    kind = dict(type="UnitsAsFrames", format_shape="NCTHW")
    frames = MODELS.build(kind)(batch(videos))["inputs"]
    clips = MODELS.build(dict(type="UnitsAsClip"))(batch(videos))["inputs"]
    assert frames.shape == (2, 3 * U * T, 3, SIZE, SIZE)
    assert clips.shape == (2, 3, 3, U * T, SIZE, SIZE)
    for view, unit, t in product(range(3), range(U), range(T)):
        frame = videos[1][view, unit, :, t].float()
        assert torch.equal(frames[1, (view * U + unit) * T + t], frame)
        assert torch.equal(clips[1, view, :, unit * T + t], frame)


@pytest.mark.parametrize("name", ["ActionUnits", "UnitsAsClip", "UnitsAsFrames"])
def test_without_its_mean_frame_a_video_shows_what_moves_alone(name: str) -> None:
    """A square that moves on a still picture: the picture goes, and the square is left."""
    (still,) = noise(1, 2)
    still = still[:, :1, :, :1].div(2, rounding_mode="floor").expand(-1, U, -1, T, -1, -1).clone()
    moving = still.clone()
    for view, unit, t in product(range(2), range(U), range(T)):
        place = unit * T + t
        moving[view, unit, :, t, 3:6, place : place + 3] += 100
    found = MODELS.build(dict(type=name, subtract_mean_frame=True))(batch([still, moving]))
    clips = MODELS.build(dict(type=name))(batch([moving]))["inputs"][0]
    assert torch.equal(found["inputs"][0], torch.zeros_like(clips))
    square = 100 * (moving != still).float()
    expected = square - square.mean((1, 3), keepdim=True)
    expected = MODELS.build(dict(type=name))(batch([expected]))["inputs"][0]
    torch.testing.assert_close(found["inputs"][1], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_of_another_precision_gets_its_own(dtype: torch.dtype) -> None:
    options = dict(type="ActionUnits", subtract_mean_frame=True, mean=[0, 0, 0], std=[58, 57, 56])
    videos, model = noise(2, 1), recognizer(options)
    expected = model.data_preprocessor(batch(videos))["inputs"]
    found = model.to(dtype).data_preprocessor(batch(videos))["inputs"]
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02)


def test_the_mean_frame_is_that_of_all_units_where_combinations_see_some() -> None:
    (video,) = noise(1, 1)
    options = dict(subtract_mean_frame=True)
    whole = MODELS.build(dict(type="ActionUnits", **options))(batch([video]))["inputs"][0]
    some = MODELS.build({**SECTIONS, **options})(batch([video]))["inputs"][0]
    for found, choice in zip(some, product([0], [1, 2], [3, 4])):
        assert torch.equal(found, whole[0, choice])


def test_tsm_takes_no_other_number_of_frames() -> None:
    other = MODELS.build(dict(type="UnitsAsFrames", num_segments=2 * U * T))
    with pytest.raises(ValueError, match=f"num_segments={2 * U * T}, but there are {U * T} frames"):
        other(batch(noise(2, 1)))


@pytest.mark.parametrize("name", ["ActionUnits", "UnitsAsFrames", "UnitsAsClip"])
def test_other_inputs_than_packed_units_are_refused(name: str) -> None:
    data = dict(inputs=[torch.zeros(8, 3, 32, 32)], data_samples=None)
    with pytest.raises(ValueError, match="must end in FormatActionUnits"):
        MODELS.build(dict(type=name))(data)
    fewer = [torch.zeros(1, units, 3, 2, 8, 8) for units in (2, 4)]
    with pytest.raises(ValueError, match=r"\(1, 2, 3, 2\) and \(1, 4, 3, 2\)"):
        MODELS.build(dict(type=name))(dict(inputs=fewer, data_samples=None))


@pytest.mark.parametrize("test_cfg", [{}, {"max_testing_views": 3}])
def test_combined_scores_are_the_mean_over_every_in_order_choice(test_cfg: dict) -> None:
    """V4D's inference over combinations of units."""
    plain, videos = recognizer(), noise(2, 2)
    choices = product([0], [1, 2], [3, 4])
    each = [scores(plain, [video[:, choice] for video in videos]) for choice in choices]
    model = recognizer(SECTIONS, **test_cfg)
    if test_cfg:  # the host slices views of one video at a time
        found = torch.cat([scores(model, [video]) for video in videos])
    else:
        found = scores(model, videos)
    torch.testing.assert_close(found, torch.stack(each).mean(0))
    assert not torch.allclose(found, scores(plain, videos), atol=1e-4)  # all units at once


def test_training_sees_the_units_as_they_are() -> None:
    videos = noise(2, 2)
    data = recognizer(SECTIONS).data_preprocessor(batch(videos), training=True)
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
