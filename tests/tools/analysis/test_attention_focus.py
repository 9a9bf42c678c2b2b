"""The measure of attention on the moving shape, and what a trained network scores on it."""

from __future__ import annotations

import attention_focus as module
import numpy as np
import pytest
from attention_focus import attention_focus, boxes_of, to_markdown
from phase_order import generate, options_of, read_meta
from phase_order.generating import read_video

from f4d_mmaction.apis import Recognition


def maps_of(kind: str, video: dict, frame_inds: np.ndarray, size: int) -> np.ndarray:
    """A map that glows on the shape, off it, or anywhere."""
    y, x = np.indices((size, size))
    maps = np.random.default_rng(0).random((*frame_inds.shape, size, size)) * 0.2 + 0.4
    for place, index in np.ndenumerate(frame_inds):
        x0, y0, x1, y1 = boxes_of(video)[index]
        shape = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
        maps[place] += {"on": 0.3, "off": -0.3, "blind": 0.0}[kind] * shape
    return maps[:, None].astype(np.float32)


def recognizer(kind: str, root, size: int):
    """Stands for the network: its attention is given, everything after it is measured for real."""
    videos = {video["file"]: video for video in read_meta(root)["videos"]["test"]}

    def recognize(model, paths, topk, batch_size):
        for path in paths:
            inds = np.arange(32).reshape(4, 8)[:, :4]
            maps = {"SpatioTemporalAttention": maps_of(
                kind, videos[str(path.relative_to(root))], inds, size)}  # fmt: skip
            frames = np.zeros((4, 4, size, size, 3), np.uint8)
            yield Recognition(str(path), frames=frames, frame_inds=inds, maps={"layer2_1": maps})

    return recognize


@pytest.mark.parametrize("kind", ["on", "off", "blind"])
def test_the_measure_tells_looking_from_not_looking(benchmark, monkeypatch, kind):
    monkeypatch.setattr(module, "iter_recognize", recognizer(kind, benchmark, 32))
    focus = attention_focus(None, benchmark)["layer2_1"]
    assert 0.03 < focus.area < 0.3
    if kind == "on":
        assert focus.peak_inside == 1
        assert focus.inside - focus.outside == pytest.approx(0.3, abs=0.01)
    elif kind == "off":
        assert focus.peak_inside == 0
        assert focus.inside - focus.outside == pytest.approx(-0.3, abs=0.01)
    else:
        assert focus.peak_inside == pytest.approx(focus.area, abs=0.1)
        assert focus.inside == pytest.approx(focus.outside, abs=0.01)
    assert f"{focus.inside:.3f}" in to_markdown({"layer2_1": focus})


def test_boxes_hold_the_brightest_pixels_of_their_frames(benchmark):
    video = read_meta(benchmark)["videos"]["test"][0]
    frames = read_video(benchmark, video).max(-1)
    for index, (x0, y0, x1, y1) in boxes_of(video).items():
        y, x = np.unravel_index(frames[index].argmax(), frames[index].shape)
        assert x0 - 1 <= x <= x1 + 1
        assert y0 - 1 <= y <= y1 + 1


@pytest.mark.slow
def test_a_trained_network_looks_at_the_moving_shape(root, tmp_path, run_tool):
    generate(tmp_path / "data/phase_order", options_of("easy"))
    (tmp_path / "configs").symlink_to(root / "configs")
    config = "configs/recognition/f4d/f4d_r18_phase_order.py"
    run_tool("train.py", config, "--work-dir", "work", "--seed", 0)
    network = ("--config", config, "--checkpoint", "work/epoch_8.pth")
    table = run_tool("analysis/attention_focus.py", "data/phase_order", *network)
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| layer")]
    shares = {row[0].strip(): (float(row[3]), float(row[4].strip(" %"))) for row in rows}
    chance = float(rows[0][5].strip(" %"))
    # An untrained map may peak there too, but weighs the shape and the rest alike: ratio 1.00.
    assert any(ratio > 1.03 and peak > 2 * chance for ratio, peak in shares.values()), table
