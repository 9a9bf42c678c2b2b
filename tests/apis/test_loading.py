"""Recognizers are loaded whole or refused with the reason."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS

from f4d_mmaction.apis import class_names, load_recognizer
from f4d_mmaction.engine.launch import load_config
from f4d_mmaction.models import weights
from f4d_mmaction.models.weights import ForeignCheckpointError, check_fits_partly


def test_names_come_from_the_file_then_the_checkpoint_then_the_dataset(
    config_path, checkpoint, tmp_path
):
    names = [f"name {i}" for i in range(8)]
    label_file = tmp_path / "labels.txt"
    label_file.write_text("\n".join(names) + "\n\n", encoding="utf-8-sig")  # as Windows saves
    model = load_recognizer(config_path, checkpoint, "cpu", label_file)
    assert model.class_names == names
    assert not model.training

    meta = {"dataset_meta": {"classes": [f"saved {i}" for i in range(8)]}}
    assert class_names(model, None, meta)[3] == "saved 3"
    meta["dataset_meta"]["classes"] = ["\ufeffsaved 0", *names[1:], "", " "]  # as the host reads
    assert class_names(model, None, meta) == ["saved 0", *names[1:]]
    meta["dataset_meta"]["classes"] = range(8)
    assert class_names(model, None, meta)[3] == "3"
    meta["dataset_meta"]["classes"] = [f"saved {i}" for i in range(8)]
    assert class_names(model)[3] == "class 3"
    model.cfg.test_dataloader.dataset.ann_file = str(tmp_path / "test.txt")
    (tmp_path / "classes.txt").write_text("\n".join(f"beside {i}" for i in range(8)))
    assert class_names(model)[3] == "beside 3"
    model.cfg.test_dataloader.dataset = dict(
        type="RepeatDataset", times=2, dataset=model.cfg.test_dataloader.dataset
    )
    assert class_names(model)[3] == "beside 3"


@pytest.mark.parametrize("moves", [False, True])
def test_a_checkpoint_that_saw_other_frames_is_refused(
    config_path: Path, checkpoint: Path, tmp_path: Path, moves: bool
) -> None:
    """Its weights fit, and it would name other classes: 19 of 40 gestures in place of 40."""
    config = load_config(config_path, None, {}, "none")
    config.model.data_preprocessor = dict(type="ActionUnits", subtract_mean_frame=moves)
    weights = torch.load(checkpoint, weights_only=True)["state_dict"]
    saved = dict(state_dict=weights, meta=dict(cfg=config.pretty_text))
    torch.save(saved, tmp_path / "saved.pth")
    load_recognizer(config, tmp_path / "saved.pth", "cpu")
    config.model.data_preprocessor.subtract_mean_frame = not moves
    seen = "less their mean" if moves else "as they are"
    with pytest.raises(ForeignCheckpointError, match=f"was trained on frames {seen}"):
        load_recognizer(config, tmp_path / "saved.pth", "cpu")


def test_a_label_file_in_another_encoding_is_named(
    config_path: Path, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("\n".join("abcdefgh"), encoding="utf-16")
    with pytest.raises(ValueError, match=r"labels.txt is no text in UTF-8: .*; save it as one"):
        load_recognizer(config_path, checkpoint, "cpu", tmp_path / "labels.txt")


def test_a_config_without_annotations_takes_no_names_from_where_it_is_started(
    config_path, checkpoint, tmp_path, monkeypatch
):
    (tmp_path / "classes.txt").write_text("\n".join(f"another {i}" for i in range(8)))
    monkeypatch.chdir(tmp_path)
    model = load_recognizer(config_path, checkpoint, "cpu")
    model.cfg.test_dataloader.dataset.pop("ann_file")
    assert class_names(model)[3] == "class 3"
    model.cfg.test_dataloader = None
    assert class_names(model)[3] == "class 3"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("abcdefg", "labels names 7 classes, the model tells 8"),
        ("abcdefghi", "labels names 9 classes, the model tells 8"),
        ("abcdefga", "labels names several classes 'a'"),
    ],
)
def test_labels_that_do_not_name_each_class_are_told(config_path, checkpoint, labels, message):
    with pytest.raises(ValueError, match=message):
        load_recognizer(config_path, checkpoint, "cpu", labels=list(labels))


def test_the_checkpoint_of_another_config_is_refused_with_its_keys(checkpoint, config_path, root):
    v4d = root / "configs/recognition/v4d/v4d_r18_phase_order.py"
    with pytest.raises(ValueError, match="another model") as caught:
        load_recognizer(v4d, checkpoint, "cpu")
    missing, unexpected = str(caught.value).split("Unexpected key(s)")
    assert 'Missing key(s) in state_dict: "backbone.blocks4d.layer2_0.conv.weight"' in missing
    assert "backbone.blocks4d.layer1_1" in unexpected
    assert len(str(caught.value)) < 1000


def test_weights_of_another_shape_are_refused_with_both_shapes(checkpoint, config_path, tmp_path):
    saved = torch.load(checkpoint)
    saved["state_dict"]["cls_head.fc_cls.weight"] = torch.zeros(5, 128)
    torch.save(saved, tmp_path / "five.pth")
    with pytest.raises(ValueError, match=r"fc_cls.weight: .*5, 128.* model is .*8, 128"):
        load_recognizer(config_path, tmp_path / "five.pth", "cpu")


def test_keys_of_a_data_parallel_checkpoint_are_understood(checkpoint, config_path, tmp_path):
    state = torch.load(checkpoint)["state_dict"]
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "ddp.pth")
    model = load_recognizer(config_path, tmp_path / "ddp.pth", "cpu")
    torch.testing.assert_close(dict(model.state_dict()), dict(state))


def test_missing_files_and_files_that_are_no_checkpoint_are_told(config_path, checkpoint, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config none\.py"):
        load_recognizer("none.py", checkpoint, "cpu")
    with pytest.raises(FileNotFoundError, match=r"checkpoint none\.pth"):
        load_recognizer(config_path, "none.pth", "cpu")
    with pytest.raises(FileNotFoundError, match=r"label file none\.txt"):
        load_recognizer(config_path, checkpoint, "cpu", "none.txt")
    start = Path(checkpoint).read_bytes()[:20_000]
    for name, content in (("page", b"<html>"), ("cut", start), ("empty", b"")):
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        told = f"{path} cannot be used: it is no checkpoint, or cut off at {len(content):,} bytes"
        with pytest.raises(ValueError, match=re.escape(told)):
            load_recognizer(config_path, path, "cpu")
    torch.save({"state_dict": {}, "meta": np.array(["text"])}, tmp_path / "text.pth")
    with pytest.raises(ValueError, match=r"text.pth cannot be used: Can only build.*StrDType"):
        load_recognizer(config_path, tmp_path / "text.pth", "cpu")


def test_each_network_may_start_from_another_that_has_its_trunk(monkeypatch):
    def build(**changes):
        return MODELS.build(
            dict(type="ResNet4d", depth=18, base_channels=8, pretrained=None) | changes
        )

    said = []
    monkeypatch.setattr(weights, "print_log", lambda text, *_: said.append(text))
    f4d, slowonly = build(), build(placement=(0, 0, 0, 0))
    check_fits_partly(slowonly, f4d.state_dict(), "f4d.pth")  # most of its kernels are the blocks'
    check_fits_partly(f4d, slowonly.state_dict(), "slowonly.pth")
    check_fits_partly(f4d, f4d.state_dict(), "f4d.pth")
    assert not said
    v4d = build(block4d=dict(type="V4DBlock"))
    check_fits_partly(f4d, {f"module.{k}": v for k, v in v4d.state_dict().items()}, "v4d.pth")
    own = sum("blocks4d." in key for key in f4d.state_dict())
    assert f"blocks of v4d.pth are others: of this network's {own} weights" in said[0]
    with pytest.raises(ForeignCheckpointError, match="is a checkpoint of another model"):
        check_fits_partly(build(base_channels=16), f4d.state_dict(), "f4d.pth")


@pytest.mark.parametrize("workers", [0, 2])
def test_no_workers_are_kept_where_there_are_none(config_path, workers):
    options = {"train_dataloader.num_workers": workers, "train_dataloader.persistent_workers": True}
    config = load_config(str(config_path), None, options, "none")
    assert config.train_dataloader.persistent_workers == (workers > 0)
