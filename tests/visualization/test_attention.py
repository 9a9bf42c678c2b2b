"""Attention pictures show what the maps say, where they say it."""

import os
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from demo import save_attention
from f4d_mmaction.apis import Prediction, Recognition
from f4d_mmaction.visualization import attention_video, contact_sheet, write_video
from f4d_mmaction.visualization.attention import default_location
from f4d_mmaction.visualization.heat import frame_weights, glow, pixel_weights

U, T, H, W = 3, 4, 48, 64


def result(**changes) -> Recognition:
    """A gray video whose attention lies in the top left quarter of unit 1's second frame."""
    maps = {}
    for location, size in (("layer1_1", 16), ("layer2_1", 8), ("layer3_1", 4)):
        space = np.full((U, 1, T, size, size), 0.2, np.float32)
        space[1, 0, 2, : size // 2, : size // 2] = 0.9
        time = np.linspace(0.3, 0.8, U * T, dtype=np.float32).reshape(U, 1, T, 1, 1)
        channel = np.full((U, 5, 1, 1, 1), 0.5, np.float32)
        maps[location] = {"TemporalAttention": time, "ChannelAttention": channel,
                          "SpatioTemporalAttention": space}  # fmt: skip
    fields = dict(
        path="folder/video.mp4",
        predictions=[Prediction(0, "opening $a_door", 0.7), Prediction(1, "x" * 90, 0.3)],
        scores=np.array([0.7, 0.3]),
        frames=np.full((U, T, H, W, 3), 120, np.uint8),
        frame_inds=np.arange(U * T).reshape(U, T) * 2,
        fps=12.0,
        total_frames=30,
        maps=maps,
    )
    return Recognition(**{**fields, **changes})


def test_weights_are_laid_over_the_frames_at_their_size():
    found = result()
    weights = pixel_weights(found, "layer2_1")
    assert weights.shape == (U, T, H, W)
    peak = weights[1, 2]
    assert peak[: H // 4, : W // 4] == pytest.approx(0.9)
    assert peak[-H // 4 :, -W // 4 :] == pytest.approx(0.2)
    assert frame_weights(found, "layer1_1").ravel() == pytest.approx(np.linspace(0.3, 0.8, U * T))
    # A trunk that shortens time.
    found.maps["layer1_1"]["SpatioTemporalAttention"] = np.ones((U, 1, 2, 8, 8), np.float32)
    assert pixel_weights(found, "layer1_1").shape == (U, T, H, W)


def test_unusable_results_unknown_blocks_and_bad_arguments_are_told(tmp_path):
    missing = Recognition("x.mp4", kind="missing", error="no such file")
    with pytest.raises(ValueError, match="no such file"):
        contact_sheet(missing, tmp_path / "a.png")
    blocks = r"\['layer1_1', 'layer2_1', 'layer3_1'\]"
    with pytest.raises(ValueError, match=f"'layer9'; expected one of {blocks}"):
        contact_sheet(result(), tmp_path / "a.png", "layer9")
    with pytest.raises(ValueError, match="fps"):
        write_video(tmp_path / "a.mp4", [], 0)
    with pytest.raises(ValueError, match="no frames"):
        write_video(tmp_path / "a.mp4", [], 10)
    assert not list(tmp_path.iterdir())  # nothing half-written is left


def test_videos_of_odd_size_are_cut(tmp_path, monkeypatch):
    frames = np.zeros((3, 33, 21, 3), np.uint8)
    monkeypatch.chdir(tmp_path)  # where FFmpeg would take the name for an address
    with av.open(str(write_video("12:30.mp4", frames, 10))) as container:
        stream = container.streams.video[0]
        assert (stream.height, stream.width) == (32, 20)
    with pytest.raises(ValueError, match=r"frames \(33, 21, 3\) as the first, got \(33, 22, 3\)"):
        write_video(tmp_path / "two.mp4", [frames[0], np.zeros((33, 22, 3), np.uint8)], 10)


def test_the_default_block_is_the_deepest_with_a_fine_map():
    assert default_location(result()) == "layer2_1"
    found = result()
    assert default_location(result(maps={"layer3_1": found.maps["layer3_1"]})) == "layer3_1"
    assert default_location(result(maps={})) is None


def test_glow_is_brightest_where_the_weight_is_highest():
    frames = np.full((4, 4, 3), 100, np.uint8)
    weights = np.linspace(0, 1, 16).reshape(4, 4)
    shown = glow(frames, weights, 0, 1).astype(int).sum(-1).reshape(-1)
    assert (np.diff(shown) >= -1).all(), "but for rounding"
    assert shown[-1] > shown[0] + 100


def test_the_contact_sheet_glows_in_the_weighed_frame_alone(tmp_path):
    with_map = cv2.imread(str(contact_sheet(result(), tmp_path / "a.png", "layer1_1")))
    flat = result()
    flat.maps["layer1_1"]["SpatioTemporalAttention"][:] = 0.2
    flat.maps["layer1_1"]["SpatioTemporalAttention"][0, 0, 0, 0, 0] = 0.9  # the same scale
    without = cv2.imread(str(contact_sheet(flat, tmp_path / "b.png", "layer1_1")))
    assert with_map.shape == without.shape
    hotter = with_map.astype(int).sum(-1) - without.astype(int).sum(-1) > 60
    rows, columns = np.nonzero(hotter)
    height, width = hotter.shape
    assert height / 3 < np.median(rows) < 2 * height / 3, "unit 2 of 3"
    assert width / 2 < np.median(columns) < 3 * width / 4, "frame 3 of 4"


@pytest.mark.parametrize("truth", [None, "opening $a_door", "another"])
def test_networks_without_attention_and_any_names_are_drawn(tmp_path, truth):
    sheet = contact_sheet(result(maps={}), tmp_path / "sheet.png", truth=truth)
    assert cv2.imread(str(sheet)).std() > 1
    attention_video(result(maps={}), tmp_path / "video.mp4")


@pytest.mark.parametrize("name", [b"na\xefve.mp4", "\u0e01".encode() * 83 + b".mp4"])
def test_files_whose_names_are_no_text_or_long_are_drawn(tmp_path, name):
    for path in save_attention(result(path=os.fsdecode(name)), tmp_path, "layer2_1"):
        assert path.stat().st_size > 1000


def test_long_names_that_differ_at_their_end_are_drawn_apart(tmp_path):
    names = ("\u4e00" * 66 + part for part in ("1.mp4", "2.mp4"))
    drawn = {path for name in names for path in save_attention(result(path=name), tmp_path)}
    assert len(drawn) == 4


def test_the_video_plays_every_frame_at_the_videos_pace(tmp_path):
    sheet, video = save_attention(result(), tmp_path)
    assert (sheet.name, video.name) == ("folder_video.mp4.png", "folder_video.mp4.mp4")
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == pytest.approx(6)  # 12 fps, every second frame
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(pictures) == U * T
    changes = [np.abs(a.astype(int) - b).max() for a, b in pairwise(pictures)]
    assert min(changes) > 50, "the cursor moves"
