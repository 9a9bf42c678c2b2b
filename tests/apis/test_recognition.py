"""Recognition against MMAction2's own inference, on good and bad files."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
import torch
from encoding import encode
from mmaction.apis import inference_recognizer, init_recognizer
from mmengine.config import Config

from demo import save_attention, show
from f4d_mmaction.apis import Recognition, list_videos, load_recognizer, recognize
from f4d_mmaction.apis.recognition import read_video, recognize_packed, video_pipeline
from f4d_mmaction.datasets.transforms import VideoReader
from f4d_mmaction.models.inference import prepare_for_inference


@pytest.fixture(scope="module")
def videos(benchmark):
    return sorted((benchmark / "test").glob("*.mp4"))


def test_scores_are_those_of_the_hosts_own_inference(model, config_path, checkpoint, videos):
    host = init_recognizer(str(config_path), str(checkpoint), "cpu")
    for result in recognize(model, videos[:3]):
        expected = inference_recognizer(host, result.path).pred_score
        torch.testing.assert_close(torch.from_numpy(result.scores), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("average", [None, "score"])
@pytest.mark.parametrize("attention", [True, False])
def test_scores_are_probabilities_whatever_a_head_averages(
    config_path, checkpoint, videos, average, attention
):
    model = load_recognizer(config_path, checkpoint, "cpu")
    expected = recognize(model, videos[0])[0].scores
    model.cls_head.average_clips = average
    np.testing.assert_allclose(
        recognize(model, videos[0], attention=attention)[0].scores, expected, atol=1e-6
    )


def test_a_network_whose_scores_are_no_numbers_is_told(config_path, checkpoint, videos):
    model = load_recognizer(config_path, checkpoint, "cpu")
    model.cls_head.fc_cls.bias.data[0] = torch.nan
    with pytest.raises(ValueError, match="no finite numbers"):
        recognize(model, videos[0])


def test_a_batch_equals_its_videos_one_at_a_time_whatever_their_sizes(model, videos, tmp_path):
    wide = encode(tmp_path / "wide.mp4", size=(96, 64))
    paths = [str(path) for path in (*videos[:2], wide, videos[2])]
    together = recognize(model, paths, batch_size=4)
    assert [result.path for result in together] == paths
    for result in together:
        alone = recognize(model, result.path)[0]
        np.testing.assert_allclose(result.scores, alone.scores, atol=1e-5)
        for location, maps in alone.maps.items():
            for name, weights in maps.items():
                np.testing.assert_allclose(result.maps[location][name], weights, atol=1e-5)


def test_no_more_views_run_at_once_than_the_config_allows(config_path, checkpoint, videos):
    model = load_recognizer(config_path, checkpoint, "cpu")
    packed = read_video(video_pipeline(model.cfg), str(videos[0]))
    view = packed["inputs"]
    packed["inputs"] = torch.cat([view, view.flip(-1), view.flip(-2)])
    (expected,) = recognize_packed(model, ["a"], [packed])
    sizes = []
    model.backbone.register_forward_hook(lambda module, args, out: sizes.append(len(args[0])))
    model.test_cfg = dict(max_testing_views=2)
    (result,) = recognize_packed(model, ["a"], [packed])
    assert sizes == [2, 1]
    np.testing.assert_allclose(result.scores, expected.scores, atol=1e-6)
    assert result.maps.keys() == expected.maps.keys() != set()
    for location, maps in expected.maps.items():
        for name, weights in maps.items():
            np.testing.assert_allclose(result.maps[location][name], weights, atol=1e-6)


def test_the_result_holds_names_frames_and_maps(model, tmp_path):
    video = str(encode(tmp_path / "a.mp4", size=(64, 64)))  # which the config does not resize
    result = recognize(model, video, topk=3)[0]
    assert [p.score for p in result.predictions] == sorted(result.scores)[::-1][:3]
    assert all(p.name == f"class {p.label}" for p in result.predictions)
    reader = VideoReader(video)
    shown = np.stack(reader.read(result.frame_inds.reshape(-1)))
    assert result.frames.shape[:2] == (4, 4)
    assert (result.frames.reshape(shown.shape) == shown).all()
    assert result.total_frames == len(reader)
    assert list(result.maps) == ["layer1_1", "layer2_1", "layer3_1", "layer4_1"]
    for maps in result.maps.values():
        assert maps["TemporalAttention"].shape == (4, 1, 4, 1, 1)
        assert maps["SpatioTemporalAttention"].shape[:3] == (4, 1, 4)
        assert all(weights.min() > 0 and weights.max() < 1 for weights in maps.values())
    (without,) = recognize(model, video, attention=False)
    assert without.maps == {}
    np.testing.assert_allclose(without.scores, result.scores, atol=1e-6)


@pytest.mark.parametrize("kind", ["tsn", "combinations"])
def test_networks_without_maps_have_the_hosts_scores_too(root, config_path, videos, kind):
    config = Config.fromfile(config_path)
    if kind == "tsn":
        config = Config.fromfile(root / "configs/recognition/tsn/tsn_r18_phase_order.py")
        config.model.backbone.pop("base_channels", None)
        config.model.cls_head.in_channels = 512
    else:
        config.model.data_preprocessor.pop("format_shape")
        config.model.data_preprocessor.update(type="UnitCombinations", train_units=2)
        config.model.test_cfg = dict(max_testing_views=3)
    host = init_recognizer(config, None, "cpu")
    for result in recognize(host, videos[:3], batch_size=2):
        expected = inference_recognizer(host, result.path).pred_score
        torch.testing.assert_close(torch.from_numpy(result.scores), expected, atol=1e-5, rtol=1e-4)
        assert len(result.predictions) == 5
        assert result.maps == {}


def test_a_network_prepared_for_inference_recognizes_the_same(config_path, checkpoint, videos):
    fast = load_recognizer(config_path, checkpoint, "cpu")
    plain = recognize(fast, videos[:2])
    prepare_for_inference(fast, dtype=torch.float32, compile=False)
    for expected, found in zip(plain, recognize(fast, videos[:2])):
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
        assert found.maps.keys() == expected.maps.keys()


def bad_files(folder) -> dict[str, str]:
    """Files by the kind that must be told of them."""
    (folder / "text.mp4").write_text("not a video\n" * 50)
    (folder / "folder.mp4").mkdir()
    return {
        "wrong_extension": str(folder / "text.mp4"),
        "unreadable": str(folder / "folder.mp4"),
        "too_short": str(encode(folder / "short.mp4", range(3))),
        "missing": str(folder / "none.mp4"),
    }


def test_bad_files_are_told_apart_and_the_others_go_on(model, videos, tmp_path):
    bad = bad_files(tmp_path)
    results = recognize(model, [videos[0], *bad.values(), videos[1]], batch_size=3)
    assert [result.kind for result in results] == ["", *bad, ""]
    for result in results[1:-1]:
        assert result.path in result.error
        assert not result.predictions
    assert results[-1].predictions == recognize(model, videos[1])[0].predictions


@pytest.mark.parametrize("name", ["f4d/f4d_r50_sthv1.py", "f4d/f4d_r18_phase_order.py"])
def test_the_pipeline_of_any_config_reads_video_files(root, name, videos):
    pipeline = video_pipeline(Config.fromfile(root / "configs/recognition" / name))
    results = dict(filename=str(videos[0]), label=-1, start_index=0, modality="RGB")
    packed = pipeline(results)
    assert packed["inputs"].ndim == 6
    assert packed["inputs"].shape[0] == 1, "one center crop"


def test_files_are_opened_as_the_configs_pipeline_says(config_path):
    config = Config.fromfile(config_path)
    steps = config.test_dataloader.dataset.pipeline
    opening = next(step for step in steps if step.type == "InitVideo")
    opening.update(time_limit=600, strict=False, max_pixels=2**27)
    found = video_pipeline(config).transforms[0]
    assert (found.time_limit, found.strict, found.max_pixels) == (600, False, 2**27)


def test_the_pipeline_of_a_wrapped_test_set_is_found_and_a_missing_one_told(config_path, videos):
    config = Config.fromfile(config_path)
    plain = video_pipeline(config)(dict(filename=str(videos[0]), label=-1, start_index=0))
    inner = config.test_dataloader.dataset
    config.test_dataloader.dataset = dict(type="RepeatDataset", times=2, dataset=inner)
    packed = video_pipeline(config)(dict(filename=str(videos[0]), label=-1, start_index=0))
    torch.testing.assert_close(packed["inputs"], plain["inputs"])
    for nothing in (dict(dataset=dict(type="VideoDataset")), None):
        config.test_dataloader = nothing
        with pytest.raises(
            ValueError, match=r"decodes no frames: test_dataloader.dataset has none"
        ):
            video_pipeline(config)


@pytest.mark.parametrize("name", ["topk", "batch_size"])
def test_arguments_out_of_range_are_refused(model, videos, name):
    with pytest.raises(ValueError, match="must be at least 1"):
        recognize(model, videos, **{name: 0})


def test_sources_are_a_video_a_folder_or_a_list(benchmark, tmp_path, monkeypatch):
    files = [str(path) for path in sorted((benchmark / "test").glob("*.mp4"))]
    assert list_videos(files[0]) == [files[0]]
    assert list_videos(benchmark / "test") == files
    assert list_videos(benchmark / "test.txt") == files  # an annotation file: path and label
    spaced = tmp_path / "a video.mp4"
    shutil.copy(files[0], spaced)
    text, long = f"a video.mp4\n\n{files[1]}\n", "word " * 99 + "word"
    (tmp_path / "list.txt").write_text(f"{text}{long}\n", encoding="utf-8-sig")
    assert list_videos(tmp_path / "list.txt") == [str(spaced), files[1], str(tmp_path / long)]
    (tmp_path / ".Trash").mkdir()
    for hidden in ("._a video.mp4", ".Trash/a.mp4"):
        shutil.copy(files[0], tmp_path / hidden)
    assert list_videos(tmp_path) == [str(spaced)]
    prepared = tmp_path / "prepared" / "test.txt"
    (prepared.parent / "videos").mkdir(parents=True)
    shutil.copy(files[0], prepared.parent / "videos" / "in.mp4")
    prepared.write_text("in.mp4 3\n")
    assert list_videos(prepared) == [str(prepared.parent / "videos" / "in.mp4")]
    prepared.write_text("in 3\n")  # as lists of MMAction2 may name an .mp4
    assert list_videos(prepared) == [str(prepared.parent / "videos" / "in.mp4")]
    prepared.write_text("videos\\in.mp4 3\n")  # as Windows writes it
    assert list_videos(prepared) == [str(prepared.parent / "videos" / "in.mp4")]
    linked = tmp_path / "linked"
    linked.mkdir()
    for name, target in (("a", prepared.parent), ("b", prepared.parent), ("back", linked)):
        (linked / name).symlink_to(target)
    assert list_videos(linked) == [str(linked / name / "videos" / "in.mp4") for name in "ab"]
    with pytest.raises(FileNotFoundError):
        list_videos(tmp_path / "none")
    scan = os.scandir

    def refuse(path):
        if os.path.basename(path) == "a":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.warns(UserWarning, match=f"left out {linked}/a: Permission denied"):
        assert list_videos(linked) == [str(linked / "b" / "videos" / "in.mp4")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no file that ends in"):
        list_videos(tmp_path / "empty")


def test_the_demo_goes_on_past_a_bad_file_and_fails_at_the_end(
    run_tool, config_path, checkpoint, videos, tmp_path
):
    folder = tmp_path / "videos"
    (folder / "inner").mkdir(parents=True)
    shutil.copy(videos[0], folder / "a.mp4")
    (folder / "b.mp4").write_text("not a video")
    shutil.copy(videos[1], folder / "inner" / "a.mp4")
    network = ("--config", config_path, "--checkpoint", checkpoint, "--device", "cpu")
    options = ("--json", "out.jsonl", "--batch", 2, "--out-dir", "pictures")
    said = run_tool("demo.py", folder, *network, *options, code=1)
    assert "b.mp4: wrong_extension video: text" in said
    assert "1 of 3 videos could not be used" in said
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [set(line) for line in lines] == [
        {"path", "predictions"}, {"path", "kind", "error"}, {"path", "predictions"},
    ]  # fmt: skip
    for drawn in ("videos_a.mp4.png", "videos_a.mp4.mp4", "inner/inner_a.mp4.png"):
        assert (tmp_path / "pictures" / drawn).stat().st_size > 1000


def test_the_demo_tells_arguments_that_do_not_fit(
    run_tool, config_path, checkpoint, videos, tmp_path
):
    command = ("demo.py", videos[0], "--config", config_path, "--checkpoint", checkpoint)
    for name in ("--topk", "--batch"):
        said = run_tool(*command, name, 0, code=2)
        assert said.endswith(f"error: argument {name}: 0 is not positive\n")
    assert "device cuda:99: " in run_tool(*command, "--device", "cuda:99", code=2)
    said = run_tool(*command, "--out-dir", "out", "--location", "layer9", code=2)
    assert "--location layer9: the network has 4D blocks at layer1_1, " in said
    said = run_tool(*command, "--location", "layer1_1", code=2)
    assert "--location says what to draw: give --out-dir too" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("second", ["V4DBlock", ""])
def test_the_demo_draws_all_maps_there_are(run_tool, config_path, videos, tmp_path, second):
    config = Config.fromfile(config_path)
    blocks = [config.model.backbone.block4d, dict(type="V4DBlock"), None, None]
    config.model.backbone.block4d = blocks if second else [None] * 4
    config.dump(tmp_path / "config.py")
    torch.save(init_recognizer(config, None, "cpu").state_dict(), tmp_path / "weights.pth")
    network = ("--config", "config.py", "--checkpoint", "weights.pth", "--device", "cpu")
    command = ("demo.py", videos[0], *network, "--json", "new/out.jsonl", "--out-dir", "out")
    run_tool(*command, "--location", "all")
    drawn = {path.name.partition(videos[0].name)[2] for path in (tmp_path / "out").iterdir()}
    assert drawn == ({"_layer1_1.png", "_layer1_1.mp4"} if second else {".png", ".mp4"})
    assert json.loads((tmp_path / "new/out.jsonl").read_text())["path"] == str(videos[0])
    if second:
        said = run_tool(*command, "--location", "layer2_1", code=2)
        assert said.endswith("error: no attention at 'layer2_1'; expected one of ['layer1_1']\n")


def test_the_demo_shows_a_name_that_is_no_text(capsys):
    name = os.fsdecode(b"na\xefve.mp4")
    show(Recognition(name))
    show(Recognition(name, error=f"{name}: truncated"))
    assert capsys.readouterr() == ("na?ve.mp4\n", "BAD na?ve.mp4: truncated\n")


HOST = """
import sys
from mmaction.apis import MMAction2Inferencer, inference_recognizer, init_recognizer
from mmaction.apis.inferencers import ActionRecogInferencer
config, checkpoint, video = sys.argv[1:]
model = init_recognizer(config, checkpoint, "cpu")
score = inference_recognizer(model, video).pred_score
whole = MMAction2Inferencer(rec=config, rec_weights=checkpoint, device="cpu")(video)
single = ActionRecogInferencer(config, checkpoint, device="cpu")(video)
for found in (whole["predictions"][0]["rec_scores"][0], single["predictions"][0]["pred_scores"]):
    assert abs(score - score.new_tensor(found)).max() < 1e-5, (score, found)
print("agree")
"""


def test_the_hosts_apis_take_config_and_checkpoint_in_a_process_of_their_own(
    config_path, checkpoint, videos, run_python
):
    done = run_python("-c", HOST, config_path, checkpoint, videos[0])
    assert done.stdout.strip().endswith("agree"), done.stderr


VIDEOS = {
    "portrait.mp4": dict(size=(90, 160)),
    "landscape.mkv": dict(size=(160, 90)),
    "eight_frames.mp4": dict(times=range(8)),
    "thousand_frames.mp4": dict(times=range(1000), size=(32, 32)),
    "sixty_fps.mp4": dict(times=range(120), fps=60),
    "twelve_fps.avi": dict(times=range(40), fps=12),
    "gray.mp4": dict(pixels="gray"),
    "vp9.webm": dict(codec="libvpx-vp9"),
    "mjpeg.avi": dict(codec="mjpeg", pixels="yuvj420p"),
    "variable.mkv": dict(times=np.cumsum(np.random.default_rng(1).integers(1, 15, 40)).tolist()),
}


@pytest.mark.parametrize("name", VIDEOS)
def test_videos_it_was_not_made_for_are_recognized_and_drawn(model, tmp_path, name):
    path = encode(tmp_path / name, **VIDEOS[name])
    result = recognize(model, path)[0]
    assert result.error == ""
    assert result.total_frames == len(VIDEOS[name].get("times", range(24)))
    assert result.frames.shape == (4, 4, 64, 64, 3)
    assert result.frame_inds.max() < result.total_frames
    assert all(file.stat().st_size > 1000 for file in save_attention(result, tmp_path))
