"""Every runtime that is timed computes the same network; no test asserts a time."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import runtimes
import torch
from export import FramesToScores
from mmengine.config import Config

from f4d_mmaction.models.inference import best_dtype

pytest.importorskip("onnx", reason="the extra `export` is not installed")

SHAPE = (1, 2, 2, 32, 32)  # videos, units, frames, height, width
TOLERANCE = {"float32": 1e-5, "bfloat16": 0.05, "bits": 0.15}  # of the largest logit


@pytest.fixture(scope="module")
def config(root: Path) -> Config:
    config = Config.fromfile(root / "configs/recognition/f4d/f4d_r18_phase_order.py")
    config.merge_from_dict({"model.backbone.base_channels": 8, "model.cls_head.in_channels": 64})
    return config


@pytest.mark.slow
def test_every_case_is_the_same_network(config: Config, tmp_path: Path) -> None:
    shape = (1, 1, 2, 3, 2, 32, 32)
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    exact = FramesToScores(runtimes.build(config)).score(frames)[1]
    runtimes.write_files(config, frames, tmp_path)
    for name, (kind, _) in runtimes.CASES.items():
        if kind == "fast" or (kind == "openvino" and not find_spec("openvino")):
            continue  # compiles for a minute: the next test has it
        logits = runtimes.open_case(name, config, tmp_path, shape)(frames)[1]
        error = np.abs(logits - exact).max() / np.abs(exact).max()
        assert error < TOLERANCE[name.split()[-1]], name


@pytest.mark.slow
def test_the_table_has_a_row_for_each(config: Config) -> None:
    lines = runtimes.compare(config, SHAPE, rounds=1).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[4:]]
    assert [row[0] for row in rows] == [
        name for name in runtimes.CASES if find_spec("openvino") or "OpenVINO" not in name
    ]
    assert rows[0][-1] == "1.00"
    for name, _, error, _ in rows:
        assert float(error) < TOLERANCE[name.split()[-1]], name


def test_a_text_that_no_row_has_is_refused_before_the_work(config: Config) -> None:
    best = str(best_dtype(torch.device("cpu"))).removeprefix("torch.")
    with pytest.raises(
        ValueError, match=rf"no row has one of \['nothing'\]; rows are inference mode, {best}; "
    ):
        runtimes.compare(config, SHAPE, 1, ["nothing"])
