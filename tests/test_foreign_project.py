"""A person's own project: their folder, their config, MMAction2's own tools, none of ours."""

import pickle
from collections.abc import Callable
from pathlib import Path

import mmaction
import pytest
import torch
from mmengine.utils import digit_version

TOOLS = Path(mmaction.__file__).parent / ".mim/tools"

CONFIG = """
custom_imports = dict(imports=["f4d_mmaction"], allow_failed_imports=False)
default_scope = "mmaction"

model = dict(
    type="Recognizer3D",
    backbone=dict(type="ResNet4d", depth=18, base_channels=8, pretrained=None),
    cls_head=dict(type="I3DHead", in_channels=64, num_classes=24, average_clips="prob"),
    data_preprocessor=dict(
        type="ActionDataPreprocessor", mean=[128] * 3, std=[58] * 3, format_shape="NCTHW"
    ),
)
pipeline = [
    {reading}
    dict(type="Resize", scale=(32, 32), keep_ratio=False),
    dict(type="FormatActionUnits"),
    dict(type="PackActionInputs"),
]
dataset = dict(type="VideoDataset", data_prefix=dict(video="videos"), pipeline=pipeline)
train_dataloader = dict(
    batch_size=4,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(dataset, ann_file="videos/train.txt"),
)
val_dataloader = dict(
    batch_size=4,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(dataset, ann_file="videos/test.txt", test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type="AccMetric")
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.01, momentum=0.9))
"""
STOCK = """dict(type="DecordInit"),
    dict(type="SampleFrames", clip_len=4, frame_interval=2, num_clips=4),
    dict(type="DecordDecode"),"""
OURS = """dict(type="InitVideo"),
    dict(type="SampleActionUnits", num_units=4, clip_len=4),
    dict(type="DecodeUnits"),"""


@pytest.mark.end_to_end
@pytest.mark.skipif(
    digit_version(mmaction.mmcv.__version__) >= digit_version("2.2"),
    reason="MMAction2's own tools refuse this mmcv",
)
@pytest.mark.parametrize("reading", [STOCK, OURS], ids=["stock", "ours"])
def test_trains_resumes_and_tests(
    reading: str, benchmark: Path, run_python: Callable, tmp_path: Path
) -> None:
    (tmp_path / "videos").symlink_to(benchmark)
    (tmp_path / "own.py").write_text(CONFIG.format(reading=reading))

    def run(tool: str, *arguments: str) -> str:
        done = run_python(TOOLS / tool, "own.py", *arguments, "--work-dir", "run")
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    run("train.py")
    said = run("train.py", "--resume", "--cfg-options", "train_cfg.max_epochs=2")
    assert "resumed epoch: 1" in said
    first, second = (torch.load(tmp_path / f"run/epoch_{n}.pth") for n in (1, 2))
    assert (first["meta"]["iter"], second["meta"]["iter"]) == (4, 8)
    assert not torch.equal(
        *(file["state_dict"]["cls_head.fc_cls.weight"] for file in (first, second))
    )
    said = run("test.py", "run/epoch_2.pth", "--dump", "scores.pkl")
    scores = pickle.loads((tmp_path / "scores.pkl").read_bytes())
    right = [bool(score["pred_score"].argmax() == score["gt_label"]) for score in scores]
    assert f"acc/top1: {sum(right) / 8:.4f}" in said
