"""Runs that are killed, preempted or run out of disk go on as if nothing had happened."""

import errno
import os
import random
import shutil
import signal
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_run import ROOT, said, same, start_training, train, wait_for, weights, write_config

from f4d_mmaction.engine.checkpoints import (
    AtomicBackend,
    DamagedCheckpointError,
    check_resumable,
    last_good_checkpoint,
)

LAST = "epoch_3.pth"
STARTED = "Checkpoints will be saved"


@pytest.fixture(scope="module")
def config(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("tiny"), benchmark)


@pytest.fixture(scope="module")
def uninterrupted(config: Path) -> Path:
    """The work directory of a training that nothing happened to."""
    folder = config.parent / "uninterrupted"
    train(config, folder)
    return folder


@pytest.fixture
def one_epoch(uninterrupted: Path, tmp_path: Path) -> Path:
    """The work directory as it was after the first epoch."""
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(uninterrupted / "epoch_1.pth", folder)
    return folder


def best_score(folder: Path) -> float:
    hub = torch.load(folder / LAST, weights_only=False)["message_hub"]
    return float(hub["runtime_info"]["best_score"])


def assert_equal(folder: Path, uninterrupted: Path) -> None:
    assert same(weights(folder / LAST), weights(uninterrupted / LAST))
    assert best_score(folder) == best_score(uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, 50])
def test_killed_at_random_moments(
    config: Path, uninterrupted: Path, tmp_path: Path, kills: int
) -> None:
    """SIGKILL while training, validating or saving; trainings follow one another till the end."""
    moments = random.Random(kills)
    killed = trainings = 0
    while killed < kills:
        trainings += 1
        folder = tmp_path / f"run{trainings}"
        while not (folder / LAST).exists():
            if killed == kills:
                break
            killed += train_till_killed(config, folder, moments.uniform(0, 2))
        train(config, folder, "--resume")  # the last may have been killed in its last validation
        assert_equal(folder, uninterrupted)
    print(f"\n{killed} kills in {trainings} trainings; all went on, all ended with equal weights")  # noqa: T201


def train_till_killed(config: Path, folder: Path, seconds: float) -> bool:
    """Go on with a training and kill it; tells whether it was still running then."""
    process = start_training(config, folder, "--resume")
    times = said(folder).count(STARTED) + 1
    wait_for(STARTED, folder, process, times)
    time.sleep(seconds)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), said(folder)
    return process.exitcode == -signal.SIGKILL


@pytest.mark.end_to_end
@pytest.mark.parametrize("dies", [True, False], ids=["killed", "full disk"])
def test_checkpoint_that_is_not_written_to_its_end(
    config: Path, uninterrupted: Path, one_epoch: Path, dies: bool
) -> None:
    code = -signal.SIGXFSZ if dies else 1
    output = train(config, one_epoch, "--resume", disk=100_000, dies=dies, code=code)
    assert dies or "OSError" in output
    left = [path.name for path in one_epoch.glob("epoch_2*")]
    assert left == (["epoch_2.pth.part"] if dies else [])
    train(config, one_epoch, "--resume")
    assert_equal(one_epoch, uninterrupted)
    assert not list(one_epoch.glob("*.part"))


def terminated(stage: str, changes: str = "") -> str:
    """Changes of a config that send SIGTERM to the training and all its workers."""
    fault = f'dict(type="FaultHook", kind="SIGTERM", rank=0, workers=True, stage="{stage}")'
    imports = 'custom_imports = dict(imports=["f4d_mmaction", "faults"])'
    return f"{imports}\ncustom_hooks = [{fault}]\n{changes}\n"


@pytest.mark.parametrize("workers", [0, 2])
def test_terminated_in_an_epoch(
    benchmark: Path, uninterrupted: Path, tmp_path: Path, workers: int
) -> None:
    """As Slurm and torchrun send it."""
    options = f"num_workers={workers}, persistent_workers={workers > 0}"
    changes = terminated("train", f"_base_.train_dataloader.update({options})")
    config, folder = write_config(tmp_path, benchmark, changes), tmp_path / "run"
    before = train(config, folder, code=143)
    assert "SIGTERM: saved" in before
    assert (folder / "preempted.pth").exists()
    assert (folder / "last_checkpoint").read_text() == str(folder / "preempted.pth")  # to the host
    after = train(config, folder, "--resume").removeprefix(before)
    assert "Epoch(train) [2][2/4]" not in after
    assert "Epoch(train) [2][3/4]" in after
    assert not (folder / "preempted.pth").exists()
    assert_equal(folder, uninterrupted)


def test_terminated_in_a_loop_over_iterations(benchmark: Path, tmp_path: Path) -> None:
    """Whose workers MMEngine starts before any hook could tell them to outlive the signal."""
    changes = """
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=8, val_interval=8)
_base_.train_dataloader.update(num_workers=2, persistent_workers=True)
_base_.train_dataloader.sampler = dict(type="InfiniteSampler")
_base_.default_hooks.checkpoint.by_epoch = False
log_processor = dict(_delete_=True, by_epoch=False)
param_scheduler = None
"""
    config = write_config(tmp_path, benchmark, terminated("train", changes))
    before = train(config, tmp_path / "run", code=143)
    assert "SIGTERM: saved" in before
    after = train(config, tmp_path / "run", "--resume").removeprefix(before)
    assert "Iter(train) [8/8]" in after
    assert "Iter(train) [1/8]" not in after


def test_terminated_in_a_validation(benchmark: Path, uninterrupted: Path, tmp_path: Path) -> None:
    """The run exits at once, and the validation is made up for."""
    config, folder = write_config(tmp_path, benchmark, terminated("val")), tmp_path / "run"
    before = train(config, folder, code=143)
    assert "Epoch(val) [2][2/2]" not in before
    after = train(config, folder, "--resume").removeprefix(before)
    assert "Epoch(val) [2][2/2]" in after
    assert_equal(folder, uninterrupted)


def test_workers_change_nothing(config: Path, uninterrupted: Path, tmp_path: Path) -> None:
    options = ("train_dataloader.num_workers=3", "val_dataloader.num_workers=2")
    train(config, tmp_path, "--cfg-options", *options)
    assert_equal(tmp_path, uninterrupted)


@pytest.mark.end_to_end
def test_seed_drawn_by_the_first_run_serves_the_second(benchmark: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, benchmark, "randomness = dict(seed=None)\n")
    train(config, tmp_path / "run")
    (tmp_path / "again").mkdir()
    shutil.copy(tmp_path / "run" / "epoch_1.pth", tmp_path / "again")
    train(config, tmp_path / "again", "--resume")
    assert same(weights(tmp_path / "again" / LAST), weights(tmp_path / "run" / LAST))


TELL = """
import runpy, sys
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Tell(Hook):
    def before_train_iter(self, *_, **__):
        print("only warns:", torch.is_deterministic_algorithms_warn_only_enabled())

sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.end_to_end
def test_a_deterministic_run_that_goes_on_only_warns(
    benchmark: Path, uninterrupted: Path, tmp_path: Path, run_python: Callable
) -> None:
    """It takes its seed from the checkpoint, by which the host sets algorithms anew."""
    changes = "randomness = dict(seed=None)\ncustom_hooks = [dict(type='Tell')]\n"
    config = write_config(tmp_path, benchmark, changes)
    shutil.copy(uninterrupted / "epoch_1.pth", tmp_path)
    options = ("--work-dir", tmp_path, "--deterministic", "--resume", "--no-validate")
    done = run_python("-c", TELL, ROOT / "tools" / "train.py", config, *options)
    assert done.stdout.count("only warns: True") == 8, done.stdout + done.stderr
    assert "only warns: False" not in done.stdout


def test_resume_without_checkpoint_starts_anew(
    config: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    """And from `load_from`, which MMAction2's own tool forgets."""
    other = f"load_from={uninterrupted / LAST}"
    output = train(config, tmp_path, "--resume", "--cfg-options", "train_cfg.max_epochs=1", other)
    assert "nothing to resume" in output
    assert f"Load checkpoint from {uninterrupted / LAST}" in output


def test_an_earlier_training_in_the_same_folder_is_not_continued(
    uninterrupted: Path, tmp_path: Path
) -> None:
    """As MMEngine's `find_latest_checkpoint`, which follows the note of the last checkpoint."""
    for name, age in (("epoch_1.pth", 0), ("epoch_2.pth", 2), (LAST, 1)):
        shutil.copy(uninterrupted / name, tmp_path)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert last_good_checkpoint(tmp_path).name == LAST
    (tmp_path / "last_checkpoint").write_text(f"/elsewhere/{tmp_path.name}/epoch_1.pth")
    assert last_good_checkpoint(tmp_path).name == "epoch_1.pth"
    os.utime(tmp_path / "epoch_2.pth", (1001, 1001))  # killed before its note was written
    assert last_good_checkpoint(tmp_path).name == "epoch_2.pth"
    (tmp_path / "elsewhere").write_text("epoch_2.pth")  # the work directory's, with out_dir
    (tmp_path / "last_checkpoint").unlink()
    assert last_good_checkpoint(tmp_path, tmp_path / "elsewhere").name == "epoch_2.pth"
    damage(tmp_path / "epoch_2.pth", "truncated")
    os.utime(tmp_path / "epoch_2.pth", (1001, 1001))
    assert last_good_checkpoint(tmp_path, tmp_path / "elsewhere").name == "epoch_1.pth"
    (tmp_path / "epoch_2.pth").unlink()
    assert last_good_checkpoint(tmp_path, tmp_path / "elsewhere").name == LAST


def test_a_checkpoint_is_whole_where_folders_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def refuse_folders(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        flush(handle)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    AtomicBackend().put(b"weights", tmp_path / "epoch_1.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["epoch_1.pth"]
    assert (tmp_path / "epoch_1.pth").read_bytes() == b"weights"


def damage(path: Path, kind: str, place: float = 0.5) -> None:
    """Damage a file as disks, networks and people do."""
    content = bytearray(path.read_bytes())
    offset = int(place * (len(content) - 1))
    if kind == "truncated":
        del content[offset:]
    elif kind == "flipped":  # within a weight: bytes between a zip's members mean nothing
        with zipfile.ZipFile(path) as archive:
            largest = max(archive.infolist(), key=lambda member: member.file_size)
        content[largest.header_offset + 200 + int(place * (largest.file_size - 200))] ^= 0x10
    elif kind == "zeroed":
        content[offset : offset + 4096] = bytes(min(4096, len(content) - offset))
    elif kind == "web page":
        content = bytearray(b"<html><body>404 Not Found</body></html>")
    path.write_bytes(content)


DAMAGES = [("truncated", place) for place in (0.0, 0.01, 0.5, 0.9, 0.999)]
DAMAGES += [("flipped", place) for place in (0.2, 0.5, 0.8)]
DAMAGES += [("zeroed", place) for place in (0.0, 0.3, 0.6, 0.999)]
DAMAGES += [("web page", 0)]


@pytest.mark.parametrize(("kind", "place"), DAMAGES)
def test_damaged_checkpoint_is_told(
    uninterrupted: Path, tmp_path: Path, kind: str, place: float
) -> None:
    for name in ("epoch_2.pth", LAST):
        shutil.copy(uninterrupted / name, tmp_path)
    damage(tmp_path / LAST, kind, place)
    with pytest.raises(DamagedCheckpointError, match=LAST):
        check_resumable(tmp_path / LAST)
    assert last_good_checkpoint(tmp_path) == tmp_path / "epoch_2.pth"
    weights_alone = {"state_dict": weights(tmp_path / "epoch_2.pth"), "meta": {}}
    torch.save(weights_alone, tmp_path / "epoch_2.pth")
    with pytest.raises(DamagedCheckpointError, match="lacks message_hub, optimizer"):
        check_resumable(tmp_path / "epoch_2.pth")
    with pytest.raises(DamagedCheckpointError, match="none of the 2 checkpoints"):
        last_good_checkpoint(tmp_path)


def test_run_falls_back_to_the_checkpoint_before(
    config: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(uninterrupted, folder)
    damage(folder / LAST, "flipped")
    damage(folder / "epoch_2.pth", "truncated")
    output = train(config, folder, "--resume", folder / LAST, code=1)  # but not if it is asked for
    assert "DamagedCheckpointError: checkpoint" in output
    assert "Traceback" not in output
    output = train(config, folder, "--resume").removeprefix(output)
    assert output.count("falling back to the one before") == 2
    assert f"Load checkpoint from {folder / 'epoch_1.pth'}" in output
    assert_equal(folder, uninterrupted)


@pytest.mark.end_to_end
def test_mid_epoch_checkpoint_needs_epochs_of_the_same_length(
    benchmark: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    options = "_base_.default_hooks.checkpoint.update(by_epoch=False, interval=3)\n"
    config = write_config(tmp_path, benchmark, options)
    train(config, tmp_path / "run")
    for name in ("iter_9.pth", "iter_12.pth"):
        (tmp_path / "run" / name).unlink()
    lines = (benchmark / "train.txt").read_text().splitlines()
    (tmp_path / "fewer.txt").write_text("\n".join(lines[:-1]))
    for option, now in (
        ("batch_size=8", "2 batches of 16 videos"),
        (f"dataset.ann_file={tmp_path / 'fewer.txt'}", "4 batches of 15 videos"),
    ):
        options = ("--cfg-options", f"train_dataloader.{option}")
        output = train(config, tmp_path / "run", "--resume", *options, code=1)
        assert f"saved after 2 batches of an epoch of 4 batches of 16 videos, now {now}" in output
        assert "Traceback" not in output
    path = tmp_path / "run" / "iter_6.pth"
    checkpoint = torch.load(path, weights_only=False)
    del checkpoint["message_hub"]["runtime_info"]["videos_per_epoch"]  # as version 0.1.0 saved
    torch.save(checkpoint, path)
    train(config, tmp_path / "run", "--resume")
    assert same(weights(tmp_path / "run" / "iter_12.pth"), weights(uninterrupted / LAST))
