"""Flat runs are told from those that leak."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from f4d_mmaction.analysis.soak import (
    Footprint,
    Growth,
    footprint,
    good_and_bad_videos,
    soak_decoding,
)

LOADS = """
import json, os, sys
from f4d_mmaction.analysis.soak import footprint
seen = [footprint()]
ballast = bytearray(os.urandom(1)) * (64 << 20)
opened = [open(os.path.join(sys.argv[1], str(number)), "w") for number in range(5)]
seen.append(footprint())
child = os.fork()
if child == 0:
    os.read(os.pipe()[0], 1)
seen.append(footprint())
os.kill(child, 9)
os.waitpid(child, 0)
print(json.dumps([[each.memory, each.files, each.processes] for each in seen]))
"""


def test_footprint_sees_memory_files_and_children(tmp_path: Path, subprocess_env: dict) -> None:
    """In a process of its own: what earlier tests left behind may close files at any time."""
    command = [sys.executable, "-c", LOADS, str(tmp_path)]
    done = subprocess.run(command, env=subprocess_env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    before, after, forked = json.loads(done.stdout.splitlines()[-1])
    assert after[0] - before[0] > 50 << 20
    assert after[1] == before[1] + 5
    assert forked[2] == after[2] + 1


@pytest.mark.parametrize(
    ("leak", "flat"),
    [((0, 0, 0), True), ((10**6, 0, 0), False), ((0, 1, 0), False), ((0, 0, 1), False)],
)
def test_growth_after_the_warm_up_counts(leak: tuple[int, int, int], flat: bool) -> None:
    warm = [Footprint(10**7 * number, number, 1) for number in range(10)]
    steady = [
        Footprint(*(base + number * each for base, each in zip((10**8, 10, 2), leak)))
        for number in range(40)
    ]
    assert Growth.over(warm + steady).flat == flat


def test_too_short_a_soak_is_told() -> None:
    with pytest.raises(ValueError, match="19 footprints"):
        Growth.over([footprint()] * 19)


def test_reading_good_and_bad_videos_stays_flat(tmp_path: Path) -> None:
    """The short version of `tools/reliability/soak.py`."""
    growth = Growth.over(soak_decoding(good_and_bad_videos(tmp_path), 250))
    assert growth.after.files <= growth.before.files
    assert growth.memory < 0.05
