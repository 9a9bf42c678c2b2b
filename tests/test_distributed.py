"""Several processes and machines, started as users start them: the same results, no hangs."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
from pathlib import Path

import pytest
import torch
from tiny_run import ROOT, finish, same, start, weights, write_config

SIZES = (1, 5, 7, 64)
EVALUATE = Path(__file__).parent / "helpers" / "evaluate_sizes.py"


def launch(env: dict, *command: object, cwd: Path, **settings: object) -> subprocess.Popen:
    """Start a shell script of tools/ with settings in its environment."""
    return subprocess.Popen(
        ["bash", *map(str, command)],
        env=env
        | {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "helpers"), env["PYTHONPATH"]])}
        | {name: str(value) for name, value in settings.items()},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output_of(process: subprocess.Popen, code: int | None = 0) -> str:
    """Wait; ``code`` None expects any failure."""
    output, _ = process.communicate(timeout=300)
    ended_well = process.returncode != 0 if code is None else process.returncode == code
    assert ended_well, f"exit code {process.returncode}:\n{output[-6000:]}"
    return output


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def measured_in(folder: Path) -> dict:
    """What `tools/test.py` measured, from its log in JSON."""
    (path,) = folder.glob("*/2*.json")
    return json.loads(path.read_text().splitlines()[-1])


def accuracies(measured: dict) -> dict:
    return {name: value for name, value in measured.items() if name.startswith("acc/")}


@pytest.fixture(scope="module")
def config(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("tiny"), benchmark)


@pytest.fixture(scope="module")
def trained(config: Path, subprocess_env: dict) -> Path:
    """The checkpoint of a training on two processes."""
    folder = config.parent / "two"
    arguments = ("tools/dist_train.sh", config, 2, "--work-dir", folder)
    output_of(launch(subprocess_env, *arguments, cwd=ROOT))
    return folder / "epoch_3.pth"


def test_two_processes_test_as_one(
    config: Path, trained: Path, tmp_path: Path, subprocess_env: dict
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    alone = start("test.py", config, trained, "--work-dir", one, log=one / "output.txt")
    command = ("tools/dist_test.sh", config, trained, 2, "--work-dir", two)
    output_of(launch(subprocess_env, *command, cwd=ROOT))
    finish(alone, one / "output.txt")
    assert measured_in(one)["acc/top5"] > 0
    assert accuracies(measured_in(one)) == accuracies(measured_in(two))


def test_two_nodes_train_as_one(
    config: Path, trained: Path, tmp_path: Path, subprocess_env: dict
) -> None:
    settings = dict(NNODES=2, MASTER_ADDR="127.0.0.1", PORT=free_port())
    arguments = ("tools/dist_train.sh", config, 1, "--work-dir", tmp_path)
    nodes = [
        launch(subprocess_env, *arguments, cwd=ROOT, NODE_RANK=rank, **settings) for rank in (0, 1)
    ]
    for node in nodes:
        output_of(node)
    assert same(weights(tmp_path / "epoch_3.pth"), weights(trained))


def test_any_number_of_processes_evaluates_alike(
    config: Path, trained: Path, tmp_path: Path, subprocess_env: dict
) -> None:
    """Datasets that no number of processes divides, or that are smaller than it."""
    for count in (1, 2, 3):
        out = tmp_path / str(count)
        out.mkdir()
        arguments = (EVALUATE, config, trained, out, *SIZES)
        if count == 1:
            finish(start(*arguments, log=out / "output.txt"), out / "output.txt")
        else:
            command = ("tools/dist_run.sh", count, *arguments)
            output_of(launch(subprocess_env, *command, cwd=ROOT))
    for size in SIZES:
        alone = predictions(tmp_path / "1" / f"{size}.pkl")
        assert len(alone) == size
        for count in (2, 3):
            shared = predictions(tmp_path / str(count) / f"{size}.pkl")
            assert [sample["gt_label"].item() for sample in shared] == [
                sample["gt_label"].item() for sample in alone
            ]
            scores = [torch.stack([s["pred_score"] for s in each]) for each in (alone, shared)]
            torch.testing.assert_close(*scores)
        measured = {(tmp_path / str(count) / f"{size}.json").read_text() for count in (1, 2, 3)}
        assert len(measured) == 1


def predictions(path: Path) -> list[dict]:
    return pickle.loads(path.read_bytes())


def faulty(config: Path, kind: str) -> Path:
    """The config, with a fault that strikes in the second epoch."""
    path = config.with_name(f"{kind}.py")
    path.write_text(
        config.read_text() + 'custom_imports = dict(imports=["f4d_mmaction", "faults"])\n'
        f"custom_hooks = [dict(type='FaultHook', kind={kind!r})]\n"
    )
    return path


def test_dying_process_ends_the_job_with_its_own_error(
    config: Path, tmp_path: Path, subprocess_env: dict
) -> None:
    arguments = ("tools/dist_train.sh", faulty(config, "raise"), 2, "--work-dir", tmp_path)
    output = output_of(launch(subprocess_env, *arguments, cwd=ROOT), code=None)
    summary = output[output.index("Root Cause") :]
    assert "process 1 has had enough" in summary


@pytest.mark.parametrize("kind", ["SIGTERM", pytest.param("SIGKILL", marks=pytest.mark.slow)])
def test_restarted_job_goes_on_by_itself(
    config: Path, trained: Path, tmp_path: Path, subprocess_env: dict, kind: str
) -> None:
    """One of two processes is signaled; torchrun restarts both, and the weights come out equal."""
    arguments = ("tools/dist_train.sh", faulty(config, kind), 2, "--work-dir", tmp_path, "--resume")
    output = output_of(launch(subprocess_env, *arguments, cwd=ROOT, MAX_RESTARTS=1))
    assert (tmp_path / "failed").exists()
    assert ("SIGTERM: saved" in output) == (kind == "SIGTERM")
    assert same(weights(tmp_path / "epoch_3.pth"), weights(trained))


@pytest.mark.slow
def test_two_trainings_at_once(
    config: Path, trained: Path, tmp_path: Path, subprocess_env: dict
) -> None:
    """On one machine without a port given, each in its work directory."""
    command = ("tools/dist_train.sh", config, 2, "--work-dir")
    trainings = {
        name: launch(subprocess_env, *command, tmp_path / name, cwd=ROOT)
        for name in ("first", "second")
    }
    for name, training in trainings.items():
        output_of(training)
        assert same(weights(tmp_path / name / "epoch_3.pth"), weights(trained))
