"""Memory and open files stay flat over a long run: `-m slow -s` for the table (Linux)."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from bad_videos import write_dataset
from mmengine.hooks import Hook
from mmengine.runner import Runner
from phase_order import generate, options_of
from tiny_run import write_config

from f4d_mmaction.analysis.report import markdown_table
from f4d_mmaction.datasets.transforms import VideoReader
from f4d_mmaction.datasets.video_errors import BadVideoError
from f4d_mmaction.engine.launch import load_config

SAMPLES = 50  # of the footprint, over a soak


def footprint() -> tuple[int, int, int]:
    """Resident bytes, open files and number of this process and its children."""
    family = [os.getpid()]
    for pid in family:  # grows while it is read
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            family += [int(child) for child in task.read_text().split()]
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in family)
    files = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in family)
    return pages * os.sysconf("SC_PAGE_SIZE"), files, len(family)


def growth(series: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Median footprints of the first tenth after a warm-up of a fifth, and of the last tenth."""
    tenth = len(series) // 10
    parts = (series[2 * tenth : 3 * tenth], series[-tenth:])
    before, after = (np.median(part, axis=0).astype(int) for part in parts)
    return before, after


def is_flat(before: np.ndarray, after: np.ndarray) -> bool:
    """Less than 5 % more memory, and no more files or processes."""
    return after[0] < 1.05 * before[0] and (after[1:] <= before[1:]).all()


def mixed_videos(folder: Path) -> list[Path]:
    """Write 120 small videos in three containers, 30 % of them bad, and name them.

    The endless ones are left out: without a time limit each takes its seconds to read.
    """
    options = options_of("easy", num_classes=2, num_train=160, num_test=8, num_frames=32, size=32)
    bad = write_dataset(folder, options, 0.3)["train"]
    lines = (folder / "train_videos.txt").read_text().splitlines()
    paths = [folder / line.split()[0] for line in lines]
    return [path for path in paths if bad.get(str(path)) != "timeout"]


def read_videos(videos: list[Path], count: int) -> list[tuple[int, int, int]]:
    """Read whole videos in turn, opening each anew; bad ones fail as they do in training."""
    series = []
    for number in range(count):
        with suppress(BadVideoError):
            reader = VideoReader(str(videos[number % len(videos)]))
            reader.read(range(len(reader)))
        if number % (count // SAMPLES) == 0:
            series.append(footprint())
    return series


class FootprintHook(Hook):
    """Take a footprint after every ten iterations of training."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.series: list[tuple[int, int, int]] = []

    def after_train_iter(self, runner: Runner, *_: object, **__: object) -> None:
        if self.every_n_train_iters(runner, 10):
            self.series.append(footprint())


def train_500_steps(folder: Path, data: Path) -> list[tuple[int, int, int]]:
    """Train for 25 epochs of 20 steps, validating and saving after each."""
    config = load_config(write_config(folder, data), str(folder / "run"), {}, "none")
    config.train_cfg.max_epochs, config.param_scheduler = 25, []
    runner, hook = Runner.from_cfg(config), FootprintHook()
    runner.register_hook(hook)
    runner.train()
    return hook.series


def test_reading_good_and_bad_videos_stays_flat(tmp_path: Path) -> None:
    before, after = growth(read_videos(mixed_videos(tmp_path / "mixed"), 250))
    assert is_flat(before, after), (before, after)


@pytest.mark.slow
def test_long_runs_stay_flat(tmp_path: Path) -> None:
    data = tmp_path / "data"
    generate(data, options_of("easy", num_train=80, num_test=16, num_frames=32, size=32))
    sound, mixed = sorted(data.glob("*/*.mp4")), mixed_videos(tmp_path / "mixed")
    soaks: dict[str, Callable[[], list]] = {
        "10,000 videos read": lambda: read_videos(sound, 10_000),
        "10,000 videos tried, 30 % of them bad": lambda: read_videos(mixed, 10_000),
        "500 steps of training": lambda: train_500_steps(tmp_path, data),
    }
    rows, flat = [], []
    for name, soak in soaks.items():
        before, after = growth(soak())
        flat.append(is_flat(before, after))
        memory = [f"{each[0] / 2**20:.0f} MiB" for each in (before, after)]
        counts = [f"{before[place]} to {after[place]}" for place in (1, 2)]
        rows.append([name, *memory, f"{after[0] / before[0] - 1:+.1%}", *counts])
    header = ["soak", "memory after warm-up", "at the end", "growth", "open files", "processes"]
    print("", markdown_table(header, rows), sep="\n")
    assert all(flat)
