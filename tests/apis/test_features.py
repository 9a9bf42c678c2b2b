"""Features are those of the network's own forward pass, for this project's networks and others."""

import copy
import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from f4d_mmaction.apis import extract_features, load_recognizer, recognize
from f4d_mmaction.apis.recognition import read_video, video_pipeline


@pytest.fixture(scope="module")
def model(config_path, checkpoint):
    return load_recognizer(config_path, checkpoint, "cpu").double()


@pytest.fixture(scope="module")
def videos(benchmark):
    return sorted(map(str, (benchmark / "test").glob("*.mp4")))[:5]


def values(model, videos, of: str, batch_size: int = 2) -> np.ndarray:
    return np.stack([found.values for found in extract_features(model, videos, of, batch_size)])


@torch.no_grad()
def test_bits_are_those_of_the_networks_own_pass_whatever_the_batch(model, videos):
    pipeline = video_pipeline(model.cfg)
    outputs = []
    for video in videos:
        data = model.data_preprocessor(pseudo_collate([read_video(pipeline, video)]), False)
        outputs.append(model.backbone(data["inputs"].flatten(0, 1).double()))
    maps = torch.cat(outputs)  # (N, C', U*T, H, W)
    pooled = torch.cat([model.cls_head.avg_pool(output).flatten(1) for output in outputs])
    units = maps.unflatten(2, (4, -1))
    for batch_size in (1, 2, 5):
        np.testing.assert_array_equal(values(model, videos, "video", batch_size), pooled)
        found = values(model, videos, "layer4", batch_size)
        np.testing.assert_array_equal(found, units.transpose(1, 2))
        each = values(model, videos, "unit", batch_size)
        np.testing.assert_array_equal(each, values(model, videos, "unit", 3))
        np.testing.assert_allclose(each, units.mean((3, 4, 5)).transpose(1, 2), rtol=1e-12)
    assert values(model, videos, "layer2").shape == (5, 4, 32, 4, 8, 8)


@pytest.mark.parametrize(("name", "units"), [("tsn", 4), ("tsm", 16), ("slowonly", 4)])
@torch.no_grad()
def test_the_classifier_makes_scores_of_them_in_other_networks(root, videos, name, units):
    torch.manual_seed(0)
    config = root / f"configs/recognition/{name}/{name}_r18_phase_order.py"
    model = init_recognizer(str(config), None, "cpu")
    logits = model.cls_head.fc_cls(torch.from_numpy(values(model, videos[:2], "video")))
    scores = np.stack([result.scores for result in recognize(model, videos[:2])])
    np.testing.assert_allclose(logits.softmax(1), scores, atol=1e-6)
    channels = model.cls_head.in_channels
    assert values(model, videos[:2], "unit").shape == (2, units, channels)


def test_a_stage_with_a_block_inside_is_found(config_path, videos):
    config = Config.fromfile(config_path)
    config.model.backbone.placement = (0, (1, 0), 0, 0)
    model = init_recognizer(config, None, "cpu")
    assert values(model, videos[:1], "layer2").shape == (1, 4, 32, 4, 8, 8)
    with pytest.raises(ValueError, match=r"layer4, got 'blocks4d'"):
        values(model, videos[:1], "blocks4d")


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_a_path_alone_is_one_video(model, videos, kind):
    (found,) = extract_features(model, kind(videos[0]))
    np.testing.assert_array_equal(found.values, values(model, videos[:1], "video")[0])


def test_threads_that_share_a_network_have_features_of_their_own(model, videos, monkeypatch):
    expected, forward = values(model, videos[:1], "video"), model.backbone.forward

    def interrupted(x):
        if threading.current_thread() is threading.main_thread():
            other = threading.Thread(target=values, args=(model, videos[1:2], "video"))
            other.start()
            other.join()
        return forward(x)

    monkeypatch.setattr(model.backbone, "forward", interrupted)
    np.testing.assert_array_equal(values(model, videos[:1], "video"), expected)


def test_features_in_bfloat16_are_arrays(model, videos):
    low = copy.deepcopy(model).bfloat16()
    for of in ("video", "unit", "layer3"):
        assert values(low, videos[:1], of).dtype == np.float32


def test_what_cannot_be_had_is_told(model, videos):
    with pytest.raises(ValueError, match=r"'unit' or one of .*layer1.*got 'layer9'"):
        values(model, videos, "layer9")
    found = values(model, videos[:1], "unit")
    with pytest.MonkeyPatch.context() as patch:  # as compilation passes over stages
        outside = model.backbone(torch.zeros(1, 4, 3, 4, 64, 64, dtype=torch.double))
        patch.setattr(model.backbone, "forward", lambda x: outside)
        assert values(model, videos[:1], "unit").shape == found.shape
        with pytest.raises(ValueError, match="layer3 lies within a compiled backbone"):
            values(model, videos[:1], "layer3")


@pytest.mark.end_to_end
@pytest.mark.parametrize(("out", "processes"), [("folder", 2), ("all.h5", 1)])
def test_the_command_names_bad_videos_and_goes_on(
    run_tool, benchmark, config_path, checkpoint, videos, tmp_path, out, processes
):
    if out.endswith("h5"):
        pytest.importorskip("h5py", reason="the extra `hdf5` is not installed")
    bad = tmp_path / "noise.mp4"
    bad.write_bytes(bytes(range(256)) * 9)

    mine = [tmp_path / folder / "mine.mp4" for folder in ("here", "there")]
    for path in mine:
        path.parent.mkdir()
        path.symlink_to(videos[0])

    def run(folder: str, listed: list[str], code: int, of="unit", config=config_path) -> None:
        (tmp_path / folder / "list.txt").write_text("".join(f"{path} 0\n" for path in listed))
        network = ("--config", config, "--checkpoint", checkpoint, "--device", "cpu", "--of", of)
        options = ("--batch", 1, "--processes", processes, "--out", out)
        run_tool("extract_features.py", f"{folder}/list.txt", *network, *options, code=code)

    index = tmp_path / ("folder/index.jsonl" if out == "folder" else "all.jsonl")
    run("here", [videos[0], str(bad), videos[1], "mine.mp4"], 1)
    assert "garbage" in index.read_text()
    bad.write_bytes((benchmark / "test/00002.mp4").read_bytes())
    run("there", [*videos[::-1], str(bad), "mine.mp4"], 0)
    entries = {e["path"]: e for e in map(json.loads, index.read_text().splitlines())}
    expected = [*videos[:2], str(mine[0]), *videos[:1:-1], str(bad), str(mine[1])]
    assert list(entries) == expected, "what was done is not redone"
    expected = values(load_recognizer(config_path, checkpoint, "cpu"), videos, "unit")
    for video, features in zip(videos, expected):
        np.testing.assert_allclose(
            read(tmp_path / out, entries[video]), features, rtol=1e-5, atol=1e-6
        )
    run("there", videos, 2, "video")  # is not mixed with what is there
    longer = (
        f"_base_ = {str(config_path)!r}\n_base_.test_dataloader.dataset.pipeline[1].num_units=5\n"
    )
    (tmp_path / "longer.py").write_text(longer)
    run("there", videos, 2, config=tmp_path / "longer.py")


def test_the_command_takes_names_that_are_no_text_and_no_missing_checkpoint(
    run_tool, config_path, checkpoint, videos, tmp_path
):
    good, bad = (tmp_path / "mine" / os.fsdecode(name) for name in (b"g\xef.mp4", b"na\xefve.mp4"))
    good.parent.mkdir()
    shutil.copy(videos[0], good)
    bad.write_text("no video")
    command = ("extract_features.py", "mine", "--config", config_path, "--out", "out")
    said = run_tool(*command, "--checkpoint", "no.pth", "--processes", 2, code=2)
    assert said.endswith("error: checkpoint no.pth does not exist\n")
    said = run_tool(*command, "--checkpoint", checkpoint, "--device", "cpu", code=1)
    assert "BAD mine/na?ve.mp4" in said
    (entry, _) = map(json.loads, (tmp_path / "out/index.jsonl").read_text().splitlines())
    assert entry["path"] == str(good)
    assert read(tmp_path / "out", entry).shape == (128,)


def test_names_as_long_as_a_file_system_allows_stay_apart(
    run_tool, config_path, checkpoint, videos, tmp_path
):
    (tmp_path / "long").mkdir()
    for last in "ab":
        shutil.copy(videos[0], tmp_path / "long" / f"{'é' * 125}{last}.mp4")
    network = ("--config", config_path, "--checkpoint", checkpoint, "--device", "cpu")
    run_tool("extract_features.py", "long", *network, "--out", "out")
    entries = [*map(json.loads, (tmp_path / "out/index.jsonl").read_text().splitlines())]
    assert len({entry["features"] for entry in entries}) == 2
    assert all(read(tmp_path / "out", entry).shape == (128,) for entry in entries)


@pytest.mark.end_to_end
def test_other_weights_under_the_same_name_are_refused_and_lost_features_made_again(
    run_tool, root, config_path, checkpoint, videos, tmp_path
):
    weights = shutil.copy(checkpoint, tmp_path / "latest.pth")
    video = shutil.copy(videos[1], tmp_path / "mine.mp4")
    options = ("--checkpoint", weights, "--device", "cpu", "--processes", 2)
    command = ("extract_features.py", video, *options, "--config")
    run_tool(*command, config_path, "--out", "out")
    (array,) = (tmp_path / "out").glob("*.npy")
    before = np.load(array)
    array.unlink()
    run_tool(*command, config_path, "--out", "out")
    assert np.load(array).shape == before.shape == (128,)
    shutil.copy(videos[0], video)  # another one
    run_tool(*command, config_path, "--out", "out")
    assert (np.load(array) != before).any()
    saved = torch.load(weights)
    saved["state_dict"]["cls_head.fc_cls.bias"] += 1
    torch.save(saved, weights)
    assert "choose another --out" in run_tool(*command, config_path, "--out", "out", code=2)
    v4d = root / "configs/recognition/v4d/v4d_r18_phase_order.py"
    said = run_tool(*command, v4d, "--out", "v4d", code=2)
    assert "latest.pth is a checkpoint of another model" in said.partition("error: ")[2]


def read(out, entry: dict) -> np.ndarray:
    if out.is_dir():
        return np.load(out / entry["features"])
    import h5py

    with h5py.File(out) as file:
        return file[entry["features"]][:]
