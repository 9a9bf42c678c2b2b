"""Shared set-up: the host's default scope, one thread, and the shipped benchmark in miniature."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from mmengine.registry import init_default_scope
from tiny_run import finish, start

import f4d_mmaction  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    init_default_scope("mmaction")
    torch.set_num_threads(1)  # small tensors: threads would only wait for each other


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def subprocess_env() -> dict[str, str]:
    """Environment of a fresh Python process that finds the repository's package."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    python = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PYTHONPATH": path,
        "PATH": os.pathsep.join([python, os.environ["PATH"]]),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


@pytest.fixture(scope="session")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small copy of the shipped benchmark, made once: 16 training and 8 test videos."""
    from phase_order import generate, options_of, write_first_and_last

    folder = tmp_path_factory.mktemp("phase_order")
    generate(folder, options_of("easy", num_train=16, num_test=8, num_frames=32, size=32))
    write_first_and_last(folder)
    return folder


@pytest.fixture
def run_python(subprocess_env: dict[str, str], tmp_path: Path) -> Callable[..., CompletedProcess]:
    """Run Python in a fresh process; unless told otherwise, away from the repository."""

    def run(*arguments: object, cwd: Path = tmp_path, **env: str) -> CompletedProcess:
        command = [sys.executable, "-W", "ignore", *map(str, arguments)]
        env = {**subprocess_env, **env}
        return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True)

    return run


@pytest.fixture
def run_tool(tmp_path: Path) -> Callable[..., str]:
    """Run a script of tools/ in ``tmp_path``, check its exit code and return all it says.

    No exit of a tool is a traceback.
    """

    def run(name: str, *arguments: object, code: int = 0) -> str:
        log = tmp_path / "output.txt"
        log.write_text("")
        said = finish(start(name, *arguments, log=log), log, code)
        assert "Traceback" not in said
        return said

    return run
