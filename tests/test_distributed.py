"""Several processes and machines, started as users start them: the same results, no hangs."""

import json
import os
import pickle
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from tiny_run import ROOT, finish, same, start, weights, write_config

Launch = Callable[..., subprocess.Popen]


@pytest.fixture(scope="module")
def launch(subprocess_env: dict) -> Launch:
    """Start a shell script of tools/ with settings in its environment."""
    paths = os.pathsep.join([str(ROOT / "tests" / "helpers"), subprocess_env["PYTHONPATH"]])

    def launch(script: str, *arguments: object, **settings: object) -> subprocess.Popen:
        return subprocess.Popen(
            ["bash", f"tools/{script}", *map(str, arguments)],
            env={**subprocess_env, "PYTHONPATH": paths}
            | {name: str(value) for name, value in settings.items()},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return launch


def output_of(process: subprocess.Popen, code: int | None = 0) -> str:
    """Wait; ``code`` None expects any failure."""
    output, _ = process.communicate(timeout=900)
    ended_well = process.returncode != 0 if code is None else process.returncode == code
    assert ended_well, f"exit code {process.returncode}:\n{output[-6000:]}"
    return output


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def config(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("tiny"), benchmark)


@pytest.fixture(scope="module")
def trained(config: Path, launch: Launch) -> Path:
    """The checkpoint of a training on two processes."""
    folder = config.parent / "two"
    output_of(launch("dist_train.sh", config, 2, "--work-dir", folder))
    return folder / "epoch_3.pth"


def accuracies_in(folder: Path) -> dict[str, float]:
    """What `tools/test.py` measured, from its log in JSON."""
    (path,) = folder.glob("*/2*.json")
    # Every process of MMEngine writes this one file; one that comes later may leave its tail.
    measured, _ = json.JSONDecoder().raw_decode(path.read_text().splitlines()[-1])
    return {name: value for name, value in measured.items() if name.startswith("acc/")}


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("processes", "good", "bad"),
    [(2, 4, ("missing", "empty", "garbage")), pytest.param(3, 1, (), marks=pytest.mark.slow)],
)
def test_any_number_of_processes_tests_as_one(
    config: Path, trained: Path, benchmark: Path, tmp_path: Path, launch: Launch, processes: int,
    good: int, bad: Sequence[str],
) -> None:  # fmt: skip
    """A dataset that the number of processes does not divide, and one that is smaller than it.

    The first video, which fills up the last batch, is a bad one.
    """
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "garbage.mp4").write_bytes(bytes(range(256)) * 9)
    lines = [f"{tmp_path}/{kind}.mp4 0" for kind in bad]
    lines += (benchmark / "test.txt").read_text().splitlines()[:good]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    changes = (f"dataset.ann_file={tmp_path}/list.txt", "batch_size=3")
    options = ("--cfg-options", *(f"test_dataloader.{change}" for change in changes))
    options += ("default_hooks.bad_video.test=count",)
    one, several = tmp_path / "one", tmp_path / "several"
    dumps = [folder / "found.pkl" for folder in (one, several)]
    one.mkdir()
    where = ("--work-dir", one, "--dump", dumps[0])
    alone = start("test.py", config, trained, *where, *options, log=one / "output.txt")
    where = ("--work-dir", several, "--dump", dumps[1])
    said = output_of(launch("dist_test.sh", config, trained, processes, *where, *options))
    for text in (said, finish(alone, one / "output.txt")):
        assert f"bad_videos/all: {len(bad)} " in text

    assert accuracies_in(one) == accuracies_in(several)
    lists = [path.read_text().splitlines() for path in several.glob("bad_videos*.jsonl")]
    assert {json.loads(line)["kind"] for each in lists for line in each} == set(bad)
    expected, found = (pickle.loads(dump.read_bytes()) for dump in dumps)
    assert len(expected) == good + len(bad)
    assert [s["gt_label"].item() for s in found] == [s["gt_label"].item() for s in expected]
    scores = [torch.stack([s["pred_score"] for s in each]) for each in (expected, found)]
    torch.testing.assert_close(*scores)


@pytest.mark.slow
def test_two_nodes_train_as_one(
    config: Path, trained: Path, tmp_path: Path, launch: Launch
) -> None:
    settings = dict(NNODES=2, MASTER_ADDR="127.0.0.1", PORT=free_port())
    command = ("dist_train.sh", config, 1, "--work-dir", tmp_path)
    for node in [launch(*command, NODE_RANK=rank, **settings) for rank in (0, 1)]:
        output_of(node)
    assert same(weights(tmp_path / "epoch_3.pth"), weights(trained))


ITERATIONS = """
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=6, val_interval=3)
_base_.train_dataloader.sampler = dict(type="InfiniteSampler")
_base_.default_hooks.checkpoint.by_epoch = False
log_processor = dict(_delete_=True, by_epoch=False)
param_scheduler = None
"""


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["", ITERATIONS], ids=["epochs", "iterations"])
def test_all_processes_validate_the_same_average(
    config: Path, tmp_path: Path, launch: Launch, loop: str
) -> None:
    averaged = config.with_name("averaged.py")
    hooks = "dict(type='SyncedEMAHook', update_buffers=True), dict(type='StatisticsHook')"
    averaged.write_text(
        config.read_text() + 'custom_imports = dict(imports=["f4d_mmaction", "faults"])\n'
        f"custom_hooks = [{hooks}]\n{loop}"
    )
    output_of(launch("dist_train.sh", averaged, 2, "--work-dir", tmp_path))
    first, second = (torch.load(tmp_path / f"buffers_rank{rank}.pth") for rank in (0, 1))
    assert any("running_var" in name for name in first)
    assert same(first, second)
    if loop:
        return
    kept = weights(tmp_path / "epoch_3.pth")
    assert same(
        {name: kept[name] for name in first if name in kept},
        {name: value for name, value in first.items() if name in kept},
    )


def faulty(config: Path, kind: str) -> Path:
    """The config, with a fault that strikes in the second epoch."""
    path = config.with_name(f"{kind}.py")
    path.write_text(
        config.read_text() + 'custom_imports = dict(imports=["f4d_mmaction", "faults"])\n'
        f"custom_hooks = [dict(type='FaultHook', kind={kind!r})]\n"
    )
    return path


@pytest.mark.slow
def test_dying_process_ends_the_job_with_its_own_error(
    config: Path, tmp_path: Path, launch: Launch
) -> None:
    training = launch("dist_train.sh", faulty(config, "raise"), 2, "--work-dir", tmp_path)
    output = output_of(training, code=None)
    assert "process 1 has had enough" in output[output.index("Root Cause") :]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SIGTERM", "SIGKILL"])
def test_restarted_job_goes_on_by_itself(
    config: Path, trained: Path, tmp_path: Path, launch: Launch, kind: str
) -> None:
    """One of two processes is signaled; torchrun restarts both, and the weights come out equal."""
    arguments = (faulty(config, kind), 2, "--work-dir", tmp_path, "--resume")
    output = output_of(launch("dist_train.sh", *arguments, MAX_RESTARTS=1))
    assert (tmp_path / "failed").exists()
    assert ("SIGTERM: saved" in output) == (kind == "SIGTERM")
    assert same(weights(tmp_path / "epoch_3.pth"), weights(trained))


@pytest.mark.slow
def test_two_trainings_at_once(config: Path, trained: Path, tmp_path: Path, launch: Launch) -> None:
    """On one machine without a port given, each in its work directory."""
    folders = [tmp_path / name for name in ("first", "second")]
    trainings = [launch("dist_train.sh", config, 2, "--work-dir", folder) for folder in folders]
    for folder, training in zip(folders, trainings):
        output_of(training)
        assert same(weights(folder / "epoch_3.pth"), weights(trained))
