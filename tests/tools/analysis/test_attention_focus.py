"""The measure of attention on the moving shape, and what a trained network scores on it."""

import numpy as np
import pytest
from attention_focus import boxes_of, choose_videos, measure_focus, moving_pixels, to_markdown
from mmengine.config import Config
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


def result_of(path: str, maps: dict, frames: np.ndarray, inds: np.ndarray) -> Recognition:
    return Recognition(path, frames=frames, frame_inds=inds, maps={"layer2_1": maps})


@pytest.mark.parametrize("kind", ["on", "off", "blind"])
def test_the_measure_tells_looking_from_not_looking(benchmark, kind):
    paths, regions = choose_videos(str(benchmark), None, 40)
    inds, frames = np.arange(32).reshape(4, 8)[:, :4], np.zeros((4, 4, 32, 32, 3), np.uint8)
    results = [
        result_of(path, {"SpatioTemporalAttention": maps_of(kind, video, inds, 32)}, frames, inds)
        for path, video in zip(paths, read_meta(benchmark)["videos"]["test"])
    ]
    found, _ = measure_focus(results, regions)
    focus = found["layer2_1"]
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
    assert f"{focus.inside:.3f}" in to_markdown(found, {})


def test_boxes_need_no_neighboring_frames_and_moving_pixels_say_so(benchmark):
    paths, regions = choose_videos(str(benchmark), None, 1)
    video, inds = read_meta(benchmark)["videos"]["test"][0], np.arange(0, 32, 8)[:, None]
    maps = {"SpatioTemporalAttention": maps_of("on", video, inds, 32)}
    maps["TemporalAttention"] = np.ones((4, 1, 1, 1, 1))
    result = result_of(paths[0], maps, np.zeros((4, 1, 32, 32, 3), np.uint8), inds)
    focus, pace = measure_focus([result], regions)
    assert focus["layer2_1"].peak_inside == 1
    assert pace == {}
    with pytest.raises(ValueError, match="units of 1 frames: 3 are needed"):
        measure_focus([result], moving_pixels)


def test_a_test_set_of_frame_folders_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("folder 9 0\n")
    dataset = dict(type="RawframeDataset", ann_file=str(tmp_path / "list.txt"), pipeline=[])
    with pytest.raises(ValueError, match="is frame folders; give a config of video files"):
        choose_videos(None, Config(dict(test_dataloader=dict(dataset=dataset))), 1)


def test_in_any_video_a_spot_that_moves_is_found_in_space_and_its_speed_in_time():
    """A bright spot, wider and faster from unit to unit: where it is, and when it moves most."""
    random, inds = np.random.default_rng(0), np.arange(16).reshape(4, 4)
    results = []
    for video in range(6):
        speed = np.arange(4) if video % 2 else np.arange(3, -1, -1)
        frames = random.integers(0, 20, (1, 1, 32, 32, 1)).repeat(4, 0).repeat(4, 1).repeat(3, 4)
        spot = np.zeros((4, 4, 32, 32), bool)
        for u, t in np.ndindex(4, 4):
            row, step = 4 * video, speed[u]
            spot[u, t, row : row + 4, t * step : t * step + max(step, 1)] = True
        frames[spot] = 255
        maps = {
            "SpatioTemporalAttention": (0.4 + 0.2 * spot)[:, None].astype(np.float32),
            "TemporalAttention": (0.5 + 0.1 * speed.repeat(4)).reshape(4, 1, 4, 1, 1),
        }
        results.append(result_of(str(video), maps, frames.astype(np.uint8), inds))
        moves = moving_pixels(results[-1])
        assert (moves[speed > 0, 1:3] == spot[speed > 0, 1:3]).all()
        assert not moves[speed == 0].any()
    focus, pace = measure_focus(results, moving_pixels)
    assert focus["layer2_1"][:3] == pytest.approx((0.6, 0.4, 1))
    assert pace["layer2_1"].moving == pytest.approx(0.8)
    assert pace["layer2_1"].still == pytest.approx(0.5)
    assert pace["layer2_1"].rank > 0.9
    assert pace["layer2_1"].chance < 0  # the video before runs the other way
    bad = Recognition("noise.mp4", error="noise.mp4: garbage video")
    with pytest.warns(UserWarning, match="left out: noise"):
        assert measure_focus([bad, *results], moving_pixels) == (focus, pace)
    with pytest.raises(ValueError, match="garbage video"):
        measure_focus([bad], moving_pixels)
    for result in results:  # flat maps follow nothing
        result.maps["layer2_1"]["TemporalAttention"][:] = 0.5
    _, pace = measure_focus(results, moving_pixels)
    assert (pace["layer2_1"].rank, pace["layer2_1"].half) == (0, 0)


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
    lines = [line for line in table.splitlines() if line.startswith("| layer")]
    rows = [line.split("|")[1:-1] for line in lines if "%" in line]  # of places, not of times
    shares = {row[0].strip(): (float(row[3]), float(row[4].strip(" %"))) for row in rows}
    chance = float(rows[0][5].strip(" %"))
    # An untrained map may peak there too, but weighs the shape and the rest alike: ratio 1.00.
    assert any(ratio > 1.03 and peak > 2 * chance for ratio, peak in shares.values()), table
