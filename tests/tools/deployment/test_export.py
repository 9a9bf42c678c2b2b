"""Exported files give PyTorch's scores, for any number of videos, views and units."""

import json
import re
from pathlib import Path

import export as export_tool
import numpy as np
import pytest
import torch
from export import FramesToScores, describe_input, export, export_program, onnx_scorer, save_onnx
from mmaction.apis import init_recognizer
from mmaction.registry import MODELS
from mmengine.config import Config

onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")

SHAPES = [(1, 1, 4), (2, 3, 4), (1, 2, 10), (3, 1, 1)]  # videos, views, units
T, SIZE = 4, 32

TWO_BLOCKS = {"model.backbone.placement": (0, "last", 0, "last")}
NETWORKS = {
    "F4D": ("f4d/f4d_r18_phase_order.py", TWO_BLOCKS),
    "F4D without attention": (
        "f4d/f4d_r18_phase_order.py",
        {
            "model.backbone.placement": (0, "last", 0, 0),
            "model.backbone.block4d.attention": (),
            "model.cls_head.average_clips": "score",
        },
    ),
    "F4D on what moves": (
        "f4d/f4d_r18_phase_order.py",
        {
            "model.data_preprocessor.type": "ActionUnits",
            "model.data_preprocessor.subtract_mean_frame": True,
            "model.backbone.placement": (0, "last", 0, 0),
        },
    ),
    "V4D": ("v4d/v4d_r18_phase_order.py", {}),
    "SlowOnly": ("slowonly/slowonly_r18_phase_order.py", {}),
}
MARKS = {
    "F4D without attention": pytest.mark.slow,
    "F4D on what moves": pytest.mark.end_to_end,
    "V4D": pytest.mark.end_to_end,
    "SlowOnly": pytest.mark.slow,
}


def read_config(root: Path, name: str) -> Config:
    path, options = NETWORKS[name]
    config = Config.fromfile(root / "configs" / "recognition" / path)
    config.merge_from_dict(
        {"model.backbone.base_channels": 8, "model.cls_head.in_channels": 64, **options}
    )
    return config


def trained(config: Config) -> torch.nn.Module:
    """A recognizer whose blocks and statistics are far from fresh."""
    torch.manual_seed(0)
    recognizer = init_recognizer(config, device="cpu")
    for name, value in recognizer.state_dict().items():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif value.ndim == 1 and name.endswith(("weight", "running_var")):
            value.uniform_(0.5, 1.5)
    return recognizer


def random_frames(videos: int, views: int, units: int) -> torch.Tensor:
    shape = (videos, views, units, 3, T, SIZE, SIZE)
    generator = torch.Generator().manual_seed(units)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=MARKS.get(name, ())) for name in NETWORKS],
)
def exported(request, root: Path, tmp_path_factory):
    """A recognizer, and both files of it."""
    recognizer = trained(read_config(root, request.param))
    program = export_program(FramesToScores(recognizer), random_frames(1, 1, 4))
    folder = tmp_path_factory.mktemp("export")
    torch.export.save(program, folder / "net.pt2")
    save_onnx(program, folder / "net.onnx", {"labels": '["a"]'})
    save_onnx(program, folder / "net_3d.onnx", {}, keep_conv3d=True)
    return recognizer, folder


@pytest.mark.parametrize("shape", SHAPES)
def test_exported_files_give_the_recognizers_scores(exported, shape) -> None:
    recognizer, folder = exported
    frames = random_frames(*shape)
    data = recognizer.data_preprocessor({"inputs": list(frames), "data_samples": None})
    with torch.no_grad():
        features, _ = recognizer.extract_feat(data["inputs"], test_mode=True)
        logits = recognizer.cls_head(features)
        each = logits.unflatten(0, (-1, shape[1]))
        scores = each.softmax(2).mean(1)
        if recognizer.cls_head.average_clips == "score":
            scores = each.mean(1).softmax(1)
    assert logits.std() > 1e-2  # the answer depends on something
    results = {
        "onnx": onnx_scorer(folder / "net.onnx")(frames.numpy()),
        "3D": onnx_scorer(folder / "net_3d.onnx")(frames.numpy()),
        "pt2": torch.export.load(folder / "net.pt2").module()(frames),
    }
    for found_scores, found_logits in results.values():
        torch.testing.assert_close(torch.as_tensor(found_scores), scores, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            torch.as_tensor(found_logits).flatten(0, 1), logits, rtol=1e-4, atol=1e-4
        )


def test_only_kernels_over_time_and_space_are_left_in_3d(exported) -> None:
    _, folder = exported
    three = {}
    for name in ("net", "net_3d"):
        graph = onnx.load(folder / f"{name}.onnx").graph
        shapes = {each.name: tuple(each.dims)[2:] for each in graph.initializer}
        kernels = [shapes[node.input[1]] for node in graph.node if node.op_type == "Conv"]
        three[name] = [kernel for kernel in kernels if len(kernel) == 3]
        assert "BatchNormalization" not in {node.op_type for node in graph.node}
    assert len(three["net_3d"]) > 15
    assert all(t > 1 and h > 1 for t, h, w in three["net"])


NOT_SINGLE = dict(
    type="ResNet2Plus1d4d",
    conv_cfg=dict(type="Conv2plus1d"),
    pretrained2d=False,
    temporal_strides=(1, 2, 2, 2),
)
GROUPS = dict(norm_cfg=dict(type="GN", num_groups=2), norm_eval=False)


@pytest.mark.end_to_end
@pytest.mark.parametrize("trunk", [NOT_SINGLE, GROUPS], ids=["(2+1)d", "group norm"])
def test_a_trunk_whose_norms_fold_into_no_convolution_is_exported(root, tmp_path, trunk) -> None:
    config = read_config(root, "SlowOnly")
    config.model.backbone.update(trunk)
    network, frames = FramesToScores(trained(config)).eval(), random_frames(2, 1, 3)
    program = export_program(network, random_frames(1, 1, 4))
    with torch.no_grad():
        expected = network(frames)
    found = onnx_scorer(save_onnx(program, tmp_path / "net.onnx", {}))(frames.numpy())
    for scores, each in zip(found, expected):
        torch.testing.assert_close(torch.as_tensor(scores), each, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 1, 1)])
@pytest.mark.parametrize("kernel", [(1, 1, 1), (3, 1, 1), (1, 3, 3), (1, 7, 5)])
def test_a_convolution_in_2d_is_the_one_in_3d(kernel, stride) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 4, 6, 9, 8), torch.randn(6, 2, *kernel), torch.randn(6)
    for padding in ((0, 0, 0), tuple(k // 2 for k in kernel)):
        options = (bias, stride, padding, (1, 1, 1), 2)
        found = export_tool.conv3d_by_2d(x, weight, *options)
        if found is NotImplemented:
            assert stride != (1, 1, 1)  # over space along time, or over time along space
        else:
            torch.testing.assert_close(found, torch.conv3d(x, weight, *options))


def test_fixed_units_refuse_another_number_of_units(root, tmp_path) -> None:
    recognizer = trained(read_config(root, "SlowOnly"))
    program = export_program(FramesToScores(recognizer), random_frames(1, 1, 4), fixed_units=True)
    score = onnx_scorer(save_onnx(program, tmp_path / "net.onnx", {}))
    assert score(random_frames(2, 3, 4).numpy())[0].shape == (2, 8)
    with pytest.raises(Exception, match="invalid dimensions"):
        score(random_frames(1, 1, 5).numpy())


@pytest.mark.end_to_end
def test_export_checks_every_file_on_real_videos(root, benchmark, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(export_tool, "CALIBRATION_VIDEOS", 4)
    config = read_config(root, "F4D")
    for subset in ("train", "test"):
        dataset = config[f"{subset}_dataloader"].dataset
        dataset.ann_file = str(benchmark / f"{subset}.txt")
        dataset.data_prefix.video = str(benchmark)
    train, test = (config[f"{subset}_dataloader"] for subset in ("train", "test"))
    train.dataset = dict(type="RepeatDataset", times=2, dataset=train.dataset)
    test.dataset = dict(type="ConcatDataset", datasets=[test.dataset])
    torch.save(trained(config).state_dict(), tmp_path / "weights.pth")
    labels = [f"class {k}" for k in range(8)]
    weights, out = str(tmp_path / "weights.pth"), str(tmp_path / "out")
    formats = ("onnx", "pt2", "int8")
    checks = export(config, weights, out, formats, num_videos=6, labels=labels)
    by_format = {check.format: check for check in checks}
    assert list(by_format) == ["PyTorch", "onnx", "pt2", "int8"]
    for name in ("PyTorch", "onnx", "pt2"):
        assert by_format[name].agreeing == by_format[name].videos == 6
        assert by_format[name].logit_error < 1e-4
    # Not its accuracy: these weights are random. It is eight bits, and it is the same network.
    assert by_format["int8"].logit_error > 0
    assert by_format["int8"].agreeing >= 5
    assert by_format["int8"].megabytes < 0.5 * by_format["onnx"].megabytes
    saved = onnx.load(tmp_path / "out" / "f4d_r18_phase_order.onnx")
    metadata = {entry.key: json.loads(entry.value) for entry in saved.metadata_props}
    assert metadata["labels"] == labels
    assert metadata["sampling"] == dict(num_units=4, clip_len=4, frame_interval=2, short="shrink")
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".onnx", ".pt2"}


def test_samples_are_of_all_classes_and_without_bad_videos(root, benchmark, tmp_path, capsys):
    lines = sorted((benchmark / "train.txt").read_text().splitlines(), key=lambda x: x.split()[1])
    (tmp_path / "list.txt").write_text("\n".join([*lines, "none.mp4 7"]))
    config = read_config(root, "F4D")
    dataset = dict(config.test_dataloader.dataset, ann_file=str(tmp_path / "list.txt"))
    dataset.update(data_prefix=dict(video=str(benchmark)))
    samples = export_tool.read_samples(dataset, 9)
    assert [sample["data_samples"].gt_label.item() for sample in samples] == [*range(8)]
    assert "BAD " in capsys.readouterr().err
    (tmp_path / "list.txt").write_text("none.mp4 7")
    with pytest.raises(ValueError, match="lists no good video"):
        export_tool.read_samples(dataset, 9)


def test_description_carries_the_crops_of_the_test_pipeline(root) -> None:
    config = Config.fromfile(root / "configs/recognition/f4d/f4d_r50_sthv1.py")
    described = {key: json.loads(value) for key, value in describe_input(config, []).items()}
    assert [step["type"] for step in described["steps"]] == ["Resize", "ThreeCrop", "Resize"]
    assert described["sampling"]["num_units"] == 10


def test_what_cannot_be_exported_is_named(root, tmp_path) -> None:
    config = read_config(root, "F4D")
    pipeline = config.test_dataloader.dataset.pipeline
    for step in (
        dict(type="ColorJitter"),
        dict(type="Resize", scale=(64, 64), interpolation="nearest"),
        dict(type="Resize", scale=0.5),
        dict(type="CenterCrop", crop_size=32, lazy=True),
    ):
        config.test_dataloader.dataset.pipeline = [*pipeline[:3], step, *pipeline[3:]]
        with pytest.raises(ValueError, match=f"{re.escape(str(step))} cannot be exported"):
            describe_input(config, [])
    with pytest.raises(ValueError, match="int8 needs onnx"):
        export(config, "weights.pth", str(tmp_path), ("int8",))
    config = read_config(root, "V4D")
    config.model.data_preprocessor.update(type="UnitCombinations", train_units=2)
    with pytest.raises(ValueError, match="cannot export UnitCombinations"):
        FramesToScores(MODELS.build(config.model))
    head = dict(type="TSNHead", in_channels=512, num_classes=8)
    tsn = dict(type="Recognizer2D", backbone=dict(type="ResNet", depth=18), cls_head=head)
    with pytest.raises(ValueError, match="cannot export ResNet:"):
        FramesToScores(MODELS.build(tsn))


def test_a_check_on_no_video_is_refused_before_anything_is_read(run_tool) -> None:
    said = run_tool("deployment/export.py", "none.py", "none.pth", "--num-videos", 0, code=2)
    assert "--num-videos must be at least 1, got 0" in said


def test_frames_in_the_hosts_other_channel_order_are_swapped(root) -> None:
    config = read_config(root, "SlowOnly")
    plain = FramesToScores(trained(config))
    config.model.data_preprocessor.to_rgb = True
    swapped = FramesToScores(trained(config))
    frames = random_frames(1, 1, 2)
    with torch.no_grad():
        torch.testing.assert_close(swapped(frames.flip(3)), plain(frames))
        assert not np.allclose(swapped(frames)[0], plain(frames)[0])
