"""Large tensors get huge pages, and what they free is kept where a program asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from f4d_mmaction.cpu_memory import OF_MALLOC, SWITCH

MEBIBYTE = 2**20
FREED = """
import sys, f4d_mmaction, torch
from f4d_mmaction.cpu_memory import keep_freed_memory
resident = lambda: int(open('/proc/self/statm').read().split()[1]) * 4096
if sys.argv[1] == 'keep':
    keep_freed_memory()
before = resident()
features = torch.ones(2**24)
del features
print(resident() - before)
"""


def run(code: str, env: dict, *args: str, **changes: str) -> str:
    env = {key: value for key, value in env.items() if key not in (SWITCH, *OF_MALLOC)}
    command = [sys.executable, "-W", "ignore", "-c", code, *args]
    done = subprocess.run(command, env={**env, **changes}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_large_tensors_lie_in_huge_pages(subprocess_env: dict) -> None:
    switch = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not switch.is_file() or "[never]" in switch.read_text():
        pytest.skip("this kernel gives no huge pages")
    code = (
        "import f4d_mmaction, torch\n"
        "features = torch.ones(2**24)\n"
        "smaps = open('/proc/self/smaps_rollup').read()\n"
        "print(smaps.partition('AnonHugePages:')[2].split()[0])\n"
    )
    assert int(run(code, subprocess_env)) > 2**15  # KiB, of the tensor's 64 MiB


def test_freed_memory_is_kept_on_request(subprocess_env: dict) -> None:
    kept, returned = (int(run(FREED, subprocess_env, what)) for what in ("keep", "return"))
    assert kept > 60 * MEBIBYTE > 30 * MEBIBYTE > returned


@pytest.mark.parametrize(
    "wish", [{SWITCH: "0"}, {"MALLOC_TRIM_THRESHOLD_": str(MEBIBYTE)}], ids=str
)
def test_the_environment_has_the_last_word(subprocess_env: dict, wish: dict) -> None:
    assert int(run(FREED, subprocess_env, "keep", **wish)) < 30 * MEBIBYTE
