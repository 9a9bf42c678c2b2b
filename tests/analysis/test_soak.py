"""Flat runs are told from those that leak."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from f4d_mmaction.analysis.soak import (
    Footprint,
    Growth,
    footprint,
    good_and_bad_videos,
    soak_decoding,
)


def test_footprint_sees_memory_files_and_children(tmp_path: Path) -> None:
    before = footprint()
    ballast = bytearray(os.urandom(1)) * (64 << 20)
    opened = [open(tmp_path / str(number), "w") for number in range(5)]  # noqa: SIM115
    after = footprint()
    assert after.memory - before.memory > 50 << 20
    assert after.files == before.files + 5
    child = os.fork()
    if child == 0:
        os.read(os.pipe()[0], 1)
    assert footprint().processes == after.processes + 1
    os.kill(child, 9)
    os.waitpid(child, 0)
    for file in opened:
        file.close()
    assert len(ballast) == 64 << 20


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
