"""The script that needs neither PyTorch nor this package sees what the test pipeline shows."""

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from encoding import copy_streams, write_texture
from export import FramesToScores, describe_input, export_program, save_onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from miniature import write_video
from mmaction.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import Compose

from f4d_mmaction.datasets.transforms import SampleActionUnits

script = pytest.importorskip("infer_onnx", reason="the extra `export` is not installed")
SCRIPT = Path(script.__file__)


@pytest.mark.parametrize("content", [b"", b"no network", None])
def test_a_file_that_is_no_network_is_named(run_tool, tmp_path, content) -> None:
    if content is not None:
        (tmp_path / "net.onnx").write_bytes(content)
    said = run_tool("deployment/infer_onnx.py", "net.onnx", "a.mp4", code=2)
    assert "net.onnx is no ONNX file of tools/deployment/export.py: " in said


@settings(deadline=None)
@given(
    total=st.integers(1, 400),
    num_units=st.integers(1, 12),
    clip_len=st.integers(1, 16),
    frame_interval=st.integers(1, 8),
    short=st.sampled_from(["shrink", "overlap"]),
)
def test_it_samples_as_the_package_does(total, num_units, clip_len, frame_interval, short) -> None:
    options = (num_units, clip_len, frame_interval, short)
    expected = SampleActionUnits(*options, test_mode=True).sample(total)
    np.testing.assert_array_equal(script.unit_indices(total, *options), expected)


@pytest.mark.parametrize(
    ("scale", "keep_ratio"),
    [
        ((-1, 20), True),
        ((-1, 80), True),
        *((scale, keep) for scale in ((48, 32), (40, 60)) for keep in (True, False)),
    ],
)
@pytest.mark.parametrize("size", [(24, 40), (60, 33), (80, 97), (32, 60), (72, 96)])
@pytest.mark.parametrize("interpolation", ["bilinear", "area"])
def test_it_resizes_as_the_pipeline_does_to_a_rounding(
    interpolation, size, scale, keep_ratio
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, *size, 3)).astype(np.uint8)
    settings = dict(scale=scale, keep_ratio=keep_ratio, interpolation=interpolation)
    step = TRANSFORMS.build(dict(type="Resize", **settings))
    results = step(dict(imgs=list(frames), img_shape=size, modality="RGB"))
    found = script.resize(frames, scale, keep_ratio, interpolation == "area").astype(int)
    assert found.shape == np.stack(results["imgs"]).shape
    assert np.abs(found - results["imgs"]).max() <= 1


@pytest.mark.parametrize("crop", ["CenterCrop", "ThreeCrop"])
@pytest.mark.parametrize("size", [(32, 43), (51, 32)])
def test_it_shows_the_network_what_the_pipeline_shows(tmp_path, crop, size) -> None:
    """From a real file through resize, crops and resize."""
    write_video(tmp_path / "video.mp4", frames=30)
    pipeline = [
        dict(type="InitVideo"),
        dict(type="SampleActionUnits", num_units=3, clip_len=4, frame_interval=3, test_mode=True),
        dict(type="DecodeUnits"),
        dict(type="Resize", scale=size[::-1], keep_ratio=False),
        dict(type=crop, crop_size=32),
        dict(type="Resize", scale=(24, 24), keep_ratio=False),
        dict(type="FormatActionUnits"),
    ]
    config = Config(dict(test_dataloader=dict(dataset=dict(pipeline=pipeline))))
    described = {key: json.loads(value) for key, value in describe_input(config, []).items()}
    video = str(tmp_path / "video.mp4")
    frames = script.read_views(video, described["sampling"], described["steps"])
    expected = Compose(pipeline)(dict(filename=video, start_index=0, modality="RGB"))["imgs"]
    assert frames.dtype == np.uint8
    assert frames[0].shape == expected.shape
    assert np.abs(frames[0].astype(int) - expected).max() <= 2  # two resizes round


KINDS = {
    "two_streams.mp4": "mpeg4",
    "edit_list.mp4": "mpeg4",
    "ten_bits.mp4": "libx264",
    "program_stream.mpg": "mpeg2video",
}


def write_kind(folder: Path, name: str) -> Path:
    pixels = "yuv420p10le" if name.startswith("ten") else "yuv420p"
    path = write_texture(folder / f"plain{Path(name).suffix}", 48, (96, 64), KINDS[name], pixels)
    if name == "two_streams.mp4":
        other = write_texture(folder / "other.mp4", 48, (96, 64), "mpeg4", seed=1)
        return copy_streams([path, other], folder / name)
    return copy_streams([path], folder / name, cut=5) if name == "edit_list.mp4" else path


@pytest.mark.parametrize("name", KINDS)
def test_it_reads_the_frames_of_the_pipeline_and_refuses_cut_files(tmp_path, name) -> None:
    path = str(write_kind(tmp_path, name))
    sampling = dict(num_units=3, clip_len=4, frame_interval=2, short="shrink")
    pipeline = [
        dict(type="InitVideo"),
        dict(type="SampleActionUnits", **sampling, test_mode=True),
        dict(type="DecodeUnits"),
        dict(type="FormatActionUnits"),
    ]
    expected = Compose(pipeline)(dict(filename=path, start_index=0, modality="RGB"))["imgs"]
    np.testing.assert_array_equal(script.read_views(path, sampling, [])[0], expected)
    with av.open(path) as container:
        shown = sum(1 for _ in container.decode(video=0))
    assert len(script.VideoReader(path)) == shown == (43 if name.startswith("edit") else 48)
    data = Path(path).read_bytes()
    for share in (0.3, 0.6, 0.9):
        Path(path).write_bytes(data[: int(share * len(data)) // 2 * 2 - 1])
        with pytest.raises(ValueError, match="truncated"):
            script.read_views(path, sampling, [])


def test_a_copy_needs_two_files_beside_it(run_python, tmp_path) -> None:
    datasets = SCRIPT.parents[2] / "f4d_mmaction" / "datasets"
    for path in (SCRIPT, datasets / "video_reader.py", datasets / "video_errors.py"):
        shutil.copy(path, tmp_path)
    done = run_python(SCRIPT.name, "--help", PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    (tmp_path / "video_reader.py").unlink()
    assert run_python(SCRIPT.name, "--help", PYTHONPATH="").returncode


def test_it_runs_without_pytorch_and_goes_on_past_a_bad_file(
    root, tmp_path, benchmark, run_python
) -> None:
    import torch
    from mmaction.apis import inference_recognizer, init_recognizer

    config = Config.fromfile(root / "configs/recognition/slowonly/slowonly_r18_phase_order.py")
    config.model.backbone.base_channels, config.model.cls_head.in_channels = 8, 64
    torch.manual_seed(0)
    recognizer = init_recognizer(config, device="cpu")
    videos = sorted((benchmark / "test").glob("*.mp4"))[:2]
    pipeline = Compose(config.test_dataloader.dataset.pipeline[:-1])
    example = pipeline(dict(filename=str(videos[0]), start_index=0, modality="RGB"))["imgs"]
    example = torch.from_numpy(example)[None]
    labels = [f"class {k}" for k in range(8)]
    program = export_program(FramesToScores(recognizer), example)
    model = save_onnx(program, tmp_path / "net.onnx", describe_input(config, labels))
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 9)
    without = "import sys, runpy\nsys.modules.update({'torch': None, 'f4d_mmaction': None})\n"
    without += "sys.argv.pop(0)\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    write_video(tmp_path / "short.mp4", frames=3)
    files = (videos[0], tmp_path / "noise.mp4", tmp_path / "short.mp4", videos[1])
    done = run_python("-c", without, SCRIPT, model, *files, "--top", 8)
    assert done.returncode == 1, done.stderr
    assert "noise.mp4" in done.stderr
    assert "short.mp4: too short: 3 frames, the model reads 4 units" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["video"] for line in lines] == [str(video) for video in videos], done.stderr
    for line in lines:
        expected = inference_recognizer(recognizer, line["video"]).pred_score
        found = {entry["label"]: entry["score"] for entry in line["top"]}
        for label, score in zip(labels, expected):
            assert found[label] == pytest.approx(float(score), abs=2e-4)
