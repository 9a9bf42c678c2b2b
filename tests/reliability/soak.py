"""Whether memory and open files stay flat over a long run."""

from __future__ import annotations

import math
import os
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bad_video_trial import make_datasets
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from phase_order import options_of

from f4d_mmaction.analysis.report import markdown_table
from f4d_mmaction.datasets.transforms import VideoReader
from f4d_mmaction.datasets.video_errors import BadVideoError, BadVideoKind

_SAMPLES = 50  # of the footprint, over a soak
_WARM_UP = 0.2  # share of a soak in which caches and pools may still fill


@dataclass(frozen=True)
class Footprint:
    """Of a process and its children: resident memory in bytes, open files, processes."""

    memory: int
    files: int
    processes: int


def footprint() -> Footprint:
    """Measure this process and its children (Linux)."""
    family = [os.getpid()]
    for pid in family:  # grows while it is read
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            family += [int(child) for child in task.read_text().split()]
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in family)
    files = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in family)
    return Footprint(pages * os.sysconf("SC_PAGE_SIZE"), files, len(family))


@dataclass(frozen=True)
class Growth:
    """From the first tenth after the warm-up to the last tenth of a soak, medians of both."""

    before: Footprint
    after: Footprint

    @property
    def memory(self) -> float:
        """Share by which memory grew."""
        return self.after.memory / self.before.memory - 1

    @property
    def flat(self) -> bool:
        """Under 5 % more memory, and no more files or processes."""
        files = self.after.files <= self.before.files
        return files and self.after.processes <= self.before.processes and self.memory < 0.05

    @classmethod
    def over(cls, series: list[Footprint]) -> Growth:
        """Judge footprints taken at equal distances.

        Raises:
            ValueError: fewer than 20 of them.
        """
        if len(series) < 20:
            raise ValueError(f"{len(series)} footprints say nothing of growth; take at least 20")
        values = np.array([(each.memory, each.files, each.processes) for each in series])
        start, tenth = round(_WARM_UP * len(series)), len(series) // 10
        middle = [np.median(part, axis=0) for part in (values[start:][:tenth], values[-tenth:])]
        return cls(*(Footprint(*map(int, each)) for each in middle))


def good_and_bad_videos(folder: Path) -> list[Path]:
    """Write 120 small videos in three containers, 30 % of them bad, and name them.

    The endless ones are left out: without a time limit each reading takes its seconds.
    """
    options = options_of("easy", num_classes=2, num_train=160, num_test=8, num_frames=32, size=32)
    injected = make_datasets(folder, options, share=0.3)["train"]
    data = folder.resolve() / "bad"
    lines = (data / "train_videos.txt").read_text().splitlines()
    paths = [data / line.split()[0] for line in lines]
    return [path for path in paths if injected.get(str(path)) != BadVideoKind.TIMEOUT.value]


def soak_decoding(videos: list[Path], decodes: int) -> list[Footprint]:
    """Read whole videos in turn, opening each anew; bad ones fail as they do in training.

    Args:
        videos: Files to read, or to fail at.
        decodes: How many readings in all.
    """
    series = []
    for number in range(decodes):
        with suppress(BadVideoError), closing(VideoReader(str(videos[number % len(videos)]))) as it:
            it.read(np.arange(len(it)))
        if number % max(1, decodes // _SAMPLES) == 0:
            series.append(footprint())
    return series


class FootprintHook(Hook):
    """Take a footprint after every few iterations of training."""

    priority = "LOWEST"

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.series: list[Footprint] = []

    def after_train_iter(self, runner: Runner, *_: object, **__: object) -> None:
        """Take one if it is time."""
        if self.every_n_train_iters(runner, self.interval):
            self.series.append(footprint())


def soak_training(config: Config, steps: int) -> list[Footprint]:
    """Train, validating and saving as the config says.

    Args:
        config: Of the Runner; the number of epochs is changed.
        steps: At least so many iterations.
    """
    loader = config.train_dataloader
    videos = len(Path(loader.dataset.ann_file).read_text().splitlines())
    config.train_cfg.max_epochs = math.ceil(steps / math.ceil(videos / loader.batch_size))
    config.param_scheduler = []
    hook = FootprintHook(max(1, steps // _SAMPLES))
    runner = Runner.from_cfg(config)
    runner.register_hook(hook)
    runner.train()
    return hook.series


def to_markdown(growths: dict[str, Growth]) -> str:
    """Format the growth of each soak, by its name, as a table."""
    header = ["soak", "memory after warm-up", "at the end", "growth", "open files", "processes"]
    rows = []
    for name, growth in growths.items():
        before, after = growth.before, growth.after
        row = [name, f"{before.memory / 2**20:.0f} MiB", f"{after.memory / 2**20:.0f} MiB"]
        row += [f"{growth.memory:+.1%}", f"{before.files} to {after.files}"]
        rows.append([*row, f"{before.processes} to {after.processes}"])
    return markdown_table(header, rows)
