"""Flat runs are told from those that leak."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from phase_order import generate, options_of
from soak import (
    Footprint,
    Growth,
    footprint,
    good_and_bad_videos,
    soak_decoding,
    soak_training,
    to_markdown,
)
from tiny_run import write_config

from f4d_mmaction.engine.launch import load_config

LOADS = """
import json, os, sys
from soak import footprint
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
    env = {**subprocess_env, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
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


@pytest.mark.slow
def test_long_runs_stay_flat(tmp_path: Path) -> None:
    """`pytest -m slow -s` prints the table."""
    data = tmp_path / "data"
    generate(data, options_of("easy", num_train=80, num_test=16, num_frames=32, size=32))
    config = load_config(write_config(tmp_path, data), str(tmp_path / "run"), {}, "none")
    good, mixed = sorted(data.glob("*/*.mp4")), good_and_bad_videos(tmp_path / "mixed")
    growths = {
        "10,000 videos read": Growth.over(soak_decoding(good, 10_000)),
        "10,000 videos tried, 30 % of them bad": Growth.over(soak_decoding(mixed, 10_000)),
        "500 steps of training": Growth.over(soak_training(config, 500)),
    }
    print(f"\n{to_markdown(growths)}")
    assert all(growth.flat for growth in growths.values())


def test_reading_good_and_bad_videos_stays_flat(tmp_path: Path) -> None:
    growth = Growth.over(soak_decoding(good_and_bad_videos(tmp_path), 250))
    assert growth.after.files <= growth.before.files
    assert growth.memory < 0.05
