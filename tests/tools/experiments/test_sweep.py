"""Studies: resumed, shared between rows, survived kills, and aggregated."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import mmengine
import pytest
import torch
from starting_scale import StartingScaleHook
from studies import Study, sweep
from sweep_report import (
    NOT_RUN,
    by_seed,
    mean_errors,
    percent,
    summarize,
    whole_seeds,
    write_report,
)

from f4d_mmaction.models.f4d import V4DBlock
from f4d_mmaction.models.preprocessing import reverse_units

STUDY = """
results = "results.jsonl"
document = "study.md"
work_dirs = {work_dirs!r}
seeds = [0, 1]
benchmark = dict(
    root={root!r},
    preset="easy",
    options=dict(size=32, num_frames=32, num_classes=2, num_train=4, num_test=4, storage="frames"),
)


def loader(split):
    pipeline = [
        dict(type="SampleActionUnits", num_units=2, clip_len=2, test_mode=split == "test"),
        dict(type="RawFrameDecode"),
        dict(type="FormatActionUnits"),
        dict(type="PackActionInputs"),
    ]
    dataset = dict(
        _delete_=True,
        type="RawframeDataset",
        ann_file=benchmark["root"] + "/" + split + ".txt",
        data_prefix=dict(img=benchmark["root"]),
        pipeline=pipeline,
        test_mode=split == "test",
    )
    return dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dataset)


options = dict(
    model=dict(backbone=dict(base_channels=8), cls_head=dict(in_channels=64, num_classes=2)),
    train_dataloader=loader("train"),
    val_dataloader=loader("test"),
    test_dataloader=loader("test"),
    train_cfg=dict(max_epochs=2),
    param_scheduler=[dict(type="ConstantLR", factor=1.0)],
)
configs = {configs!r}
rows = dict(
    f4d=dict(config=configs + "/f4d/f4d_r18_phase_order.py"),
    slowonly=dict(config=configs + "/slowonly/slowonly_r18_phase_order.py"),
    same=dict(
        config=configs + "/f4d/f4d_r18_phase_order.py",
        options={{"model.backbone.placement": (0, 0, 0, 0)}},
    ),
    absent=dict(config=configs + "/f4d/none.py"),
)
tables = dict(
    one=dict(title="One", rows=dict(F4D="f4d", SlowOnly="slowonly", Same="same", Absent="absent"))
)
curves = dict(F4D="f4d")
reference = "f4d"
opposites = {{0: 1, 1: 0}}
prefix = "some_"
"""
SECTIONS = ("setup", "one", "plot", "curves", "confusion")


@pytest.fixture
def study(tmp_path: Path, root: Path) -> Study:
    folder = tmp_path / "study"
    folder.mkdir()
    text = STUDY.format(
        root=str(tmp_path / "data"),
        work_dirs=str(tmp_path / "work_dirs"),
        configs=str(root / "configs/recognition"),
    )
    (folder / "study.py").write_text(text)
    marks = "\n".join(f"<!-- some_{name} -->\n<!-- /some_{name} -->" for name in SECTIONS)
    (folder / "study.md").write_text(f"Written by hand.\n{marks}\nSo is this.")
    return Study.load(folder / "study.py")


def keys(study: Study) -> list[str]:
    return [json.loads(line)["key"] for line in study.results.read_text().splitlines()]


@pytest.mark.end_to_end
def test_a_study_runs_goes_on_and_shares(study):
    assert sweep(study, only=["f4d"], seeds=[0]) == []
    [first] = keys(study)
    assert sweep(study, seeds=[0]) == []
    # `same` is `slowonly` said otherwise: one run; `absent` has no config: none.
    assert [key == first for key in keys(study)] == [True, False]
    assert sweep(study, seeds=[0]) == []
    assert sweep(study, limit_minutes=0) == []
    assert len(keys(study)) == 2

    results = summarize(study)
    assert results["same"] == results["slowonly"]
    assert [len(found) for found in results.values()] == [1, 1, 1, 0]
    f4d, slowonly = (results[row][0] for row in ("f4d", "slowonly"))
    assert f4d["params"] > slowonly["params"] > 1000
    assert f4d["macs"] > slowonly["macs"]
    assert len(f4d["train_error"]) == len(f4d["test_error"]) == 2
    assert f4d["accuracy"] == pytest.approx(1 - f4d["test_error"]["2"])
    # The trunk alone averages its units: their order cannot matter.
    assert slowonly["accuracy_reversed"] == slowonly["accuracy"]

    text = write_report(study).read_text()
    assert write_report(study).read_text() == text, "writing again changes nothing"
    assert text.startswith("Written by hand.")
    assert text.endswith("So is this.")
    assert f"{NOT_RUN}: Absent." in text
    assert "2 of 4 runs are finished" in text
    assert "| F4D |" in text
    assert re.search(
        r"\| SlowOnly \| .*% \| -?[\d.]+ \[-?[\d.]+, -?[\d.]+\] \| .*% \| \d+% \|", text
    )
    for picture in ("accuracy.png", "curves.png", "confusion.png"):
        assert f"(some_{picture})" in text
        assert (study.results.parent / f"some_{picture}").stat().st_size > 1000


@pytest.mark.slow
def test_a_killed_run_is_not_kept_and_tried_again(study):
    def kill() -> None:
        [run] = study.runs(["f4d"], [0])
        log = Path(run.config.work_dir)
        deadline = time.monotonic() + 120
        while not list(log.glob("*/vis_data/config.py")) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(int((log / "pid").read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    failed = sweep(study, only=["f4d", "slowonly"], seeds=[0])
    killer.join()
    assert [run.row for run in failed] == ["f4d"]
    assert len(keys(study)) == 1, "the next run went on"
    with study.results.open("a") as file:
        file.write('{"key": "half a li')  # what a killed sweep may leave
    assert sweep(study, only=["f4d", "slowonly"], seeds=[0]) == []
    assert len(study.finished()) == 2


@pytest.mark.slow
def test_a_run_ends_with_a_killed_sweep(study, root, tmp_path):
    command = [sys.executable, str(root / "tools/experiments/sweep.py")]
    command += [str(tmp_path / "study/study.py"), "--only", "f4d", "--seeds", "0"]
    command += ["--cfg-options", "options.train_cfg.max_epochs=1000000"]
    path = os.pathsep.join(sys.path)
    sweeping = subprocess.Popen(command, env=dict(os.environ, PYTHONPATH=path))
    deadline = time.monotonic() + 120
    while not (logs := list(tmp_path.glob("work_dirs/*/*/vis_data"))):
        assert sweeping.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    run = int((logs[0].parents[1] / "pid").read_text())
    sweeping.kill()
    sweeping.wait()
    deadline = time.monotonic() + 60
    try:
        while is_running(run) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not is_running(run)
    finally:
        with suppress(ProcessLookupError):
            os.kill(run, signal.SIGKILL)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # it may end while it is read
        return False
    return state != "Z"


def test_mean_and_spread_over_seeds():
    results = [
        dict(train_error={"1": 0.8, "2": 0.4}, test_error={"2": 0.6}),
        dict(train_error={"1": 0.6, "2": 0.2}, test_error={"2": 0.1}),
        dict(train_error={"1": 0.4, "2": 0.3}, test_error={"2": 0.2}),
    ]
    curves = mean_errors(results)
    assert curves.train == pytest.approx({1: 0.6, 2: 0.3})
    assert curves.val == pytest.approx({2: 0.3})
    assert percent([0.5, 0.25, 0.75]) == "50.0% (25.0% to 75.0%)"
    assert percent([0.5]) == "50.0%"


def test_folds_are_runs_of_their_own_and_pooled_by_clips(study):
    study.splits = {
        f"_fold{k}": dict(test_dataloader=dict(dataset=dict(ann_file=f"{k}.txt"))) for k in (1, 2)
    }
    study.rows["same"]["seeds"] = [1]
    runs = study.runs(["f4d", "same"])
    assert [(run.row, run.seed, run.split) for run in runs] == [
        ("f4d", 0, "_fold1"),
        ("f4d", 0, "_fold2"),
        *[(row, 1, fold) for fold in ("_fold1", "_fold2") for row in ("f4d", "same")],
    ]
    assert runs[1].config.test_dataloader.dataset.ann_file == "2.txt"
    assert len({run.key for run in runs}) == len(runs)
    found = [dict(seed=0, labels=[1] * 3, share=1.0), dict(seed=0, labels=[1], share=0.2)]
    assert by_seed([*found, dict(seed=5, share=0.5)], "share") == pytest.approx([0.8, 0.5])
    whole, begun = (dict(seed=5, labels=[1] * clips, share=0.5) for clips in (4, 3))
    assert whole_seeds([begun, *found]) == found
    assert whole_seeds([whole, *found]) == [whole, *found]
    assert whole_seeds([]) == []


def test_a_study_is_run_from_any_folder(study, run_tool, root):
    run_tool("experiments/sweep.py", study.results.parent / "study.py", "--limit-minutes", "0")
    assert "0 of 4 runs are finished" in study.document.read_text()
    for entry in study.rows.values():
        entry["config"] = Path(entry["config"]).name
    with pytest.raises(ValueError, match="no config of the study's rows exists, seen from "):
        sweep(study)


def test_real_data_is_asked_for_by_its_command(study):
    study.benchmark = dict(root="no/such/folder", command="prepare it")
    with pytest.raises(
        FileNotFoundError, match="no folder no/such/folder: make it by `prepare it`"
    ):
        sweep(study, only=["f4d"], seeds=[0])


def test_a_changed_network_recipe_seed_or_benchmark_is_another_run(study):
    def key() -> str:
        return study.runs(["f4d"], [0])[0].key

    found = {key(), study.runs(["f4d"], [1])[0].key}
    study.options["default_hooks"] = dict(logger=dict(interval=7))
    assert key() in found, "what only logs does not decide"
    study.rows["f4d"]["options"] = {"model.backbone.block4d.mid_channels": None}
    found.add(key())
    study.options["train_cfg"]["max_epochs"] = 3
    found.add(key())
    study.benchmark["options"]["noise"] = 5.0
    found.add(key())
    study.rows["f4d"]["options"]["custom_hooks"] = [dict(type="StartingScaleHook", scale=3.0)]
    found.add(key())
    study.rows["f4d"]["options"]["load_from"] = "trunk.pth"
    found.add(key())
    assert len(found) == 7


def test_fresh_blocks_start_larger_and_resumed_ones_go_on_as_they_were():
    block = V4DBlock(8)
    x = torch.randn(1, 2, 8, 2, 4, 4)
    hook, small = StartingScaleHook(3.0), block.branch(x)
    for iteration in (0, 7):
        hook.before_train(SimpleNamespace(iter=iteration, model=torch.nn.Sequential(block)))
        torch.testing.assert_close(block.branch(x), 3 * small)


def test_a_study_may_be_yaml(study, tmp_path):
    settings = {**vars(study), "results": "results.jsonl", "document": "study.md"}
    mmengine.dump(json.loads(json.dumps(settings)), tmp_path / "study.yaml")
    found = Study.load(tmp_path / "study.yaml")
    assert [run.key for run in found.runs()] == [run.key for run in study.runs()]


def test_units_are_reversed_and_their_frames_are_not():
    video = torch.arange(2 * 3 * 4).reshape(1, 2, 1, 3, 2, 2)
    data, training = reverse_units(None, (dict(inputs=[video], data_samples=[1]), False))
    assert data["data_samples"] == [1]
    assert not training
    assert torch.equal(data["inputs"][0][0, 0], video[0, 1])
    assert torch.equal(data["inputs"][0][0, 1], video[0, 0])


def test_wrong_studies_and_names_are_refused(study, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.py does not exist"):
        Study.load(tmp_path / "none.py")
    (tmp_path / "some.yaml").write_text("seeds: [0]")
    with pytest.raises(ValueError, match="does not set benchmark, options, rows"):
        Study.load(tmp_path / "some.yaml")
    with pytest.raises(ValueError, match=r"unknown row \['f5d'\]; expected some of \['f4d'"):
        sweep(study, only=["f5d"])
    with pytest.raises(ValueError, match=r"unknown seed \[7\]"):
        sweep(study, seeds=[7])


def test_the_shipped_study_of_precisions_has_the_wrappers_it_names(root, monkeypatch):
    monkeypatch.chdir(root)
    study = Study.load("docs/experiments/gpu.py", {"seeds": [3]})
    runs = study.runs(["f4d_float32", "tsm_fp16", "v4d_bf16"])
    kinds = [run.config.optim_wrapper.get("type", "OptimWrapper") for run in runs]
    assert kinds == ["OptimWrapper", "AmpOptimWrapper", "BFloat16OptimWrapper"]
    assert {run.seed for run in runs} == {3}


def test_a_document_without_sections_of_pictures_gets_none(study):
    study.document.write_text(
        "".join(f"<!-- {s} -->\n<!-- /{s} -->\n" for s in ("some_setup", "some_one"))
    )
    assert "![" not in write_report(study).read_text()


@pytest.mark.parametrize(
    "name",
    [
        "study",
        "egogestar",
        "egogestar_whole",
        "egogestar_recipe",
        "utd_mhad",
        "utd_mhad_recipe",
        "utd_mhad_sequences",
    ],
)
def test_runs_of_the_page_are_those_of_todays_configs(root, name):
    """A key that a config or its loading adds would have every study run anew."""
    study = Study.load(root / "docs/experiments" / f"{name}.py")
    finished = study.finished()
    runs = [run.key in finished for run in study.runs()]
    said = f"{sum(runs)} of {len(runs)} runs are finished"
    assert said in study.document.read_text().partition(f"<!-- {study.prefix}setup -->")[2][:200]
