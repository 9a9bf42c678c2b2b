"""Shared set-up: the host's default scope, one thread, and the shipped benchmark in miniature."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope

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
    from phase_order import generate, options_of

    folder = tmp_path_factory.mktemp("phase_order")
    generate(folder, options_of("easy", num_train=16, num_test=8, num_frames=32, size=32))
    return folder
