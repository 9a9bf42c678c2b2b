"""Measured steps, trainings that go on where they stopped, and scores of videos."""

import ctypes
import multiprocessing
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
from mmengine.config import Config
from rich.progress import Progress

from f4d_mmaction.apis import iter_recognize, load_recognizer
from f4d_mmaction.engine.launch import build_runner, load_config
from f4d_mmaction.models.preprocessing import reverse_units

from .looking import limit

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
WARM_UP, STEPS = 2, 8  # steps before and while the time is taken
SHARE_OF_MEMORY = 0.8


def measure(path: Path) -> float:
    """Measure the seconds of a training step, loading included, in a process of its own.

    Raises:
        MemoryError: a step does not fit into the memory.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        try:
            return process.submit(_measure, str(path)).result()
        except BrokenProcessPool as error:  # killed by the system
            raise MemoryError(str(error)) from error
        except RuntimeError as error:  # torch has no class of its own on a CPU
            if "memory" not in str(error):
                raise
            raise MemoryError(str(error)) from error


def _measure(path: str) -> float:
    (free,) = re.findall(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
    most = int(SHARE_OF_MEMORY * 1024 * int(free))
    limit(resource.RLIMIT_DATA, most)
    warnings.simplefilter("ignore")
    config = load_config(path, None, {}, "none")
    times: list[float] = []
    with tempfile.TemporaryDirectory() as config.work_dir:
        config.log_level = "ERROR"
        runner = build_runner(config)
        optimizer = runner.build_optim_wrapper(config.optim_wrapper)
        loader = runner.build_dataloader(config.train_dataloader)
        runner.model.train()
        batches = chain.from_iterable(repeat(loader))  # a small folder has few of them
        # A slow first step gives the workers time to read ahead, which is used up first.
        ahead = WARM_UP + loader.num_workers * (loader.prefetch_factor or 0)
        for batch in islice(batches, ahead + STEPS + 1):
            runner.model.train_step(batch, optimizer)
            times.append(time.perf_counter())
    return (times[-1] - times[ahead]) / (len(times) - 1 - ahead)


def train(config: Path, work_dir: Path) -> Path:
    """Train with `tools/train.py`, or go on; return the checkpoint of the last epoch.

    Raises:
        ValueError: the training failed; the message holds its last line.
    """
    epochs = Config.fromfile(config).train_cfg.max_epochs
    last, reason = work_dir / f"epoch_{epochs}.pth", ""
    if last.exists():
        return last
    work_dir.mkdir(exist_ok=True)
    command = [sys.executable, str(TRAIN), str(config), "--work-dir", str(work_dir), "--resume"]
    with (
        open(work_dir / "output.log", "a", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=_end_with_parent,
        ) as process,
        Progress() as bar,
    ):
        task = bar.add_task(f"Training {work_dir.name}", total=epochs)
        for line in process.stdout or ():
            print(line, end="", file=log, flush=True)
            reason = line.strip() or reason
            if step := re.search(r"Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\]", line):
                bar.update(task, completed=int(step[1]) - 1 + int(step[2]) / int(step[3]))
            elif found := re.search(r"Epoch\(val\).*acc/top1: ([\d.]+)", line):
                bar.update(task, description=f"Training {work_dir.name}, val {float(found[1]):.0%}")
    if process.returncode or not last.exists():
        raise ValueError(f"training {config} failed: {reason}; see {work_dir}/output.log")
    return last


def _end_with_parent() -> None:
    """A training that outlives a killed command would write beside the one that goes on."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def score(config: Path, checkpoint: Path, videos: list[str], reverse: bool = False) -> np.ndarray:
    """Return the scores (N, classes) of videos; ``reverse`` plays their units backward."""
    model = load_recognizer(str(config), str(checkpoint))
    if reverse:
        model.data_preprocessor.register_forward_pre_hook(reverse_units)
    scores = []
    for result in iter_recognize(model, videos, batch_size=8, attention=False):
        if result.scores is None:
            raise ValueError(result.error)
        scores.append(result.scores)
    return np.stack(scores)
