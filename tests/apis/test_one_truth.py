"""Every way to scores gives the same ones for the same video and crops."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from encoding import write_texture
from serving import give, served

from f4d_mmaction.apis import extract_features, load_recognizer

CLASSES = 8


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """As many frames as one window has, of the size of the crop: nothing is resized."""
    path = tmp_path_factory.mktemp("truth") / "video.mp4"
    write_texture(path, 32, (64, 64))
    path.with_name("list.txt").write_text("video.mp4 0\n")
    return path


def in_order(entries: list[dict]) -> np.ndarray:
    """Scores by class; the exported file calls class 3 'class 3'."""
    scores = {int(str(entry["label"]).removeprefix("class ")): entry["score"] for entry in entries}
    return np.array([scores[label] for label in range(CLASSES)])


@pytest.mark.end_to_end
def test_every_tool_gives_the_same_scores(run_tool, video, config_path, checkpoint, tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    pytest.importorskip("gradio", reason="the extra `web` is not installed")
    from untrusted_video import Limits, start_processes
    from web_page import build_page

    trained = "--config", config_path, "--checkpoint", checkpoint
    data = "--cfg-options", *(
        f"test_dataloader.dataset.{key}={value}"
        for key, value in (("ann_file", video.with_name("list.txt")),
                           ("data_prefix.video", video.parent))
    )  # fmt: skip
    found = {}

    work = "--work-dir", tmp_path / "work"
    run_tool("test.py", config_path, checkpoint, "--dump", tmp_path / "dump.pkl", *work, *data)
    (sample,) = pickle.loads((tmp_path / "dump.pkl").read_bytes())
    expected = sample["pred_score"].numpy()
    assert np.ptp(expected) > 0.01

    run_tool("demo.py", video, *trained, "--topk", CLASSES, "--json", tmp_path / "demo.jsonl")
    found["demo"] = in_order(json.loads((tmp_path / "demo.jsonl").read_text())["predictions"])

    run_tool("long_video.py", video, *trained, "--no-video", "--out-dir", tmp_path)
    (window,) = json.loads((tmp_path / "scores.json").read_text())["windows"]
    found["long video"] = window["scores"]
    with served(give(video.read_bytes())) as (address, _):
        said = run_tool("long_video.py", f"{address}/video.mp4", *trained)
    (line,) = [line for line in said.splitlines() if line.startswith('{"start"')]
    found["stream"] = json.loads(line)["scores"]

    options = ("--formats", "onnx", "--num-videos", 1, "--out-dir", tmp_path, *data)
    run_tool("deployment/export.py", config_path, checkpoint, *options)
    exported = next(tmp_path.glob("*.onnx"))
    said = run_tool("deployment/infer_onnx.py", exported, video, "--top", CLASSES)
    line = next(line for line in said.splitlines()[::-1] if line.startswith('{"video"'))
    found["exported file"] = in_order(json.loads(line)["top"])

    model = load_recognizer(config_path, checkpoint, "cpu")
    (result,) = extract_features(model, [video])
    logits = model.cls_head.fc_cls(torch.from_numpy(result.values))
    found["features"] = logits.softmax(0).detach().numpy()

    for name, scores in found.items():
        np.testing.assert_allclose(scores, expected, atol=6e-5, err_msg=name)  # 4 digits, exported

    start_processes()
    page = build_page(model, [], Limits(), tmp_path)
    shown, *_ = page.fns[0].fn(str(video))
    assert len(shown) == 5
    for name, score in shown.items():
        assert score == pytest.approx(expected[int(name.split()[-1])], abs=1e-6)
