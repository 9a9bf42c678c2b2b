"""Measure recognizers on a GPU, or without one at a toy size: one section of a page at a time.

A row has a time limit, and the rows of a section share another; what exceeds one says so in its
place, as does what exceeds the memory. `gpu_report.sh` writes docs/performance_gpu.md with it.
"""

import argparse
import gc
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, TimeoutError
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import benchmark_data
import torch
from benchmark import PLAIN_BLOCKS, Case
from mmengine.config import Config
from mmengine.utils import get_git_hash
from pebble import ProcessPool
from torch import distributed

from f4d_mmaction.analysis.report import markdown_table, write_section
from f4d_mmaction.analysis.timing import timed
from f4d_mmaction.models.inference import best_dtype
from mmaction import __file__ as host

ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
AMP = str(best_dtype(torch.device(DEVICE)) if ON_GPU else torch.bfloat16).removeprefix("torch.")
WARMUP, STEPS = (3, 10) if ON_GPU else (1, 1)
OURS = "configs/recognition"
HOST = f"{Path(host).parent}/.mim/configs/recognition"
I3D = f"{HOST}/i3d/i3d_imagenet-pretrained-r50_8xb8-32x2x1-100e_kinetics400-rgb.py"
MVIT = f"{HOST}/mvit/mvit-small-p244_32xb16-16x4x1-200e_kinetics400-rgb.py"
NO_DROP_PATH = {"model.backbone.drop_path_rate": 0.0}  # its rates are NumPy's: no graph takes them
EIGHT_FRAMES = {"model.backbone.num_segments": 8, "model.cls_head.num_segments": 8}
NETWORKS = {  # each at its usual input
    "F4D": Case(f"{OURS}/f4d/f4d_r50_sthv1.py"),
    "V4D": Case(f"{OURS}/v4d/v4d_r50_sthv1.py"),
    "SlowOnly": Case(f"{OURS}/slowonly/slowonly_r50_sthv1.py"),
    "TSM": Case(f"{OURS}/tsm/tsm_r50_sthv1.py", num_units=8, clip_len=1, options=EIGHT_FRAMES),
    "TSN": Case(f"{OURS}/tsn/tsn_r50_sthv1.py", num_units=8, clip_len=1),
    "I3D": Case(I3D, num_units=0, clip_len=32),
    "MViT-S": Case(MVIT, num_units=0, clip_len=16, options=NO_DROP_PATH),
}
Measured = tuple[float, int]  # videos a second, and bytes at the peak


def machine() -> str:
    """Name the hardware, its driver, the libraries and the settings that decide speed."""
    found = [f"torch {torch.__version__}", f"commit {get_git_hash(digits=7)}", f"{date.today()}"]
    if ON_GPU:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True).stdout.split()
        card = torch.cuda.get_device_properties(0)
        found += [
            f"{torch.cuda.device_count()} x {card.name}, {card.total_memory / 2**30:.1f} GiB",
            f"driver {driver[0] if driver else 'unknown'}, CUDA {torch.version.cuda}",
            f"cuDNN {torch.backends.cudnn.version()}, its autotuner off",
            f"{os.cpu_count()} CPU cores",
        ]
    flags = (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
    convolutions, products = ("on" if flag else "off" for flag in flags)
    return (
        f"{', '.join(found)}. In float32, TF32 is {convolutions} in convolutions and {products} in "
        f"matrix products, as PyTorch sets them. AMP is autocast in {AMP}."
    )


def tests(_: float, seconds: float) -> str:
    """Run the tests that have a device parameter, on the GPU; name those that fail."""
    folder = "tests/models" if ON_GPU else "tests/models/test_attention.py"
    command = ["pytest", "-q", "-p", "no:cacheprovider", "-k", DEVICE, folder]
    stop = ["timeout", "--signal=INT", "--kill-after=10", f"{seconds:.0f}"]  # pytest then sums up
    done = subprocess.run(
        [*stop, sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = done.stdout.splitlines() or ["it said nothing"]
    late = f", not finished in {seconds:.0f} s" if done.returncode in (124, 137) else ""
    said = [f"- {line}" for line in lines if line.startswith(("FAILED", "ERROR"))]
    return "\n".join([f"`{' '.join(command)}`: {lines[-1]}{late}", "", *said]).strip()


def case_of(
    name: str,
    training: bool = True,
    channels_last: bool = True,
    options: dict | None = None,
    **settings: object,
) -> Case:
    """Return a network's case, in AMP where nothing else is said; without a GPU a tiny one."""
    case = NETWORKS[name]
    options = {**case.options, **(options or {})}
    if name in ("F4D", "V4D", "SlowOnly"):  # whose configs say it
        options["model.backbone.channels_last"], channels_last = channels_last, False
    chosen: dict = dict(batch=8, dtype=AMP, device=DEVICE) | settings
    chosen |= dict(training=training, channels_last=channels_last, options=options)
    if not ON_GPU:
        chosen |= dict(batch=2, size=64, clip_len=min(case.clip_len, 4 if case.num_units else 16))
    return replace(case, **chosen)


def measure(case: Case) -> Measured | str:
    """Return videos a second of queued steps and the peak bytes, or that it was out of memory."""
    gc.collect()  # what the row before has left
    torch._dynamo.reset()
    torch.cuda.empty_cache()
    try:
        step = case.build_step()
        for _ in range(WARMUP):  # compiles, and fills the allocator's cache
            step()
        if ON_GPU:
            torch.cuda.reset_peak_memory_stats(case.device)
        seconds = timed(lambda: [step() for _ in range(STEPS)], case.device)
    except torch.cuda.OutOfMemoryError:
        return "out of memory"
    peak = torch.cuda.max_memory_allocated(case.device) if ON_GPU else 0
    return case.batch * STEPS / seconds, peak


def outcome(future: Future, seconds: float) -> Measured | str:
    """Return what a process measured, or why it did not."""
    try:
        return future.result()
    except TimeoutError:
        return f"over {seconds:.0f} s"
    except Exception as error:
        return f"failed: {type(error).__name__}"


def measured(cases: Sequence[Case], row_seconds: float, seconds: float) -> Iterator[Measured | str]:
    """Measure in another process, which is replaced where a row hangs, dies or breaks CUDA."""
    end, todo = time.monotonic() + seconds, list(cases)
    while todo:
        with ProcessPool(1, context=get_context("spawn")) as pool:
            found: Measured | str = ""
            while todo and not str(found).startswith("failed"):  # CUDA's errors stay in a process
                case, limit = todo.pop(0), min(row_seconds, end - time.monotonic())
                if limit < 1:
                    found = "not run, the time was over"
                else:
                    found = outcome(pool.schedule(measure, [case], timeout=limit), limit)
                yield found


def show(found: Measured | str) -> list[str]:
    """Return the cells of videos a second and GiB; numbers of a toy are not shown."""
    if isinstance(found, str) or not ON_GPU:
        return [found if isinstance(found, str) else "runs", ""]
    return [f"{found[0]:.1f}", f"{found[1] / 2**30:.1f}"]


def speeds(training: bool, row_seconds: float, seconds: float) -> str:
    """Measure every network: first as most people run it, last what compiles."""
    rows, cases = [], []
    compiled = dict(mode="compiled" if training else "fast")
    for precision, layout, how, names, settings in (
        ("AMP", "channels last", "eager", NETWORKS, {}),
        ("float32", "channels last", "eager", NETWORKS, dict(dtype="float32")),
        ("AMP", "channels last", "eager, plain blocks", ("F4D", "V4D"), dict(options=PLAIN_BLOCKS)),
        ("AMP", "contiguous", "eager", NETWORKS, dict(channels_last=False)),
        ("AMP", "channels last", "compiled", NETWORKS, compiled),
    ):
        for name in names:
            cases.append(case_of(name, training, **settings))
            batch, units, frames = cases[-1].batch, cases[-1].num_units, cases[-1].clip_len
            shape = f"{batch} x {f'U{units} x ' if units else ''}T{frames}, {cases[-1].size}"
            rows.append([name, shape, precision, layout, how])
    for row, found in zip(rows, measured(cases, row_seconds, seconds)):
        row += show(found)
        print(*row, sep=", ", flush=True)
    header = ["network", "input", "precision", "memory", "how", "videos/s", "peak GiB"]
    return markdown_table(header, rows)


def data_parallel(row_seconds: float, seconds: float) -> str:
    """Compare F4D's training on one GPU without DDP, with it, and on all GPUs."""
    (alone,) = measured([case_of("F4D")], row_seconds, seconds)
    rows = [["without DDP", 1, show(alone)[0], ""]]
    for count in sorted({1, torch.cuda.device_count() if ON_GPU else 2}):
        with (
            tempfile.TemporaryDirectory() as folder,
            ProcessPool(count, context=get_context("spawn")) as pool,
        ):
            ranks = [
                pool.schedule(measure_rank, (rank, count, folder), timeout=row_seconds)
                for rank in range(count)
            ]
            found = [outcome(rank, row_seconds) for rank in ranks]
        failed = [each for each in found if isinstance(each, str)]
        rates = [each[0] for each in found if not isinstance(each, str)]
        total = failed[0] if failed else (count * min(rates), 0)
        share = ""
        if ON_GPU and not isinstance(total, str) and not isinstance(alone, str):
            share = f"{total[0] / count / alone[0]:.2f}"
        rows.append(["DDP", count, show(total)[0], share])
    return markdown_table(["F4D, training in AMP", "GPUs", "videos/s", "of one without DDP"], rows)


def measure_rank(rank: int, count: int, folder: str) -> Measured | str:
    """Measure F4D's training as one of several processes, with NCCL on GPUs."""
    if ON_GPU:
        torch.cuda.set_device(rank)
    store = f"file://{folder}/store"
    distributed.init_process_group("nccl" if ON_GPU else "gloo", store, rank=rank, world_size=count)
    try:
        return measure(case_of("F4D", device=f"cuda:{rank}" if ON_GPU else "cpu"))
    finally:
        distributed.destroy_process_group()


def loading(row_seconds: float, seconds: float) -> str:
    """Compare what a data loader gives with what a GPU takes."""
    config = Config.fromfile(NETWORKS["F4D"].config)
    rows, cores = [], len(os.sched_getaffinity(0))
    for workers in sorted({1, cores}):
        rate = benchmark_data.loader_speed(config, workers, videos=32 if ON_GPU else 4)
        rows.append([f"data loader, workers: {workers}", show((rate, 0))[0], ""])
    for name, found in zip(
        ("F4D", "TSM"), measured([case_of("F4D"), case_of("TSM")], row_seconds, seconds)
    ):
        need = ""
        if ON_GPU and not isinstance(found, str):
            need = str(math.ceil(found[0] * cores / rate))
        rows.append([f"{name} trains in AMP", show(found)[0], need])
    return markdown_table(["", "videos/s", "workers for one GPU"], rows)


def main() -> None:
    sections = dict(
        machine=lambda *_: machine(),
        tests=tests,
        training=lambda *limits: speeds(True, *limits),
        inference=lambda *limits: speeds(False, *limits),
        ddp=data_parallel,
        loading=loading,
    )
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", choices=sections)
    parser.add_argument("--row-seconds", type=float, default=60, help="limit of a row")
    parser.add_argument("--seconds", type=float, default=120, help="limit of all rows")
    parser.add_argument("--markdown", metavar="FILE", help="also write into that page's section")
    args = parser.parse_args()
    text = sections[args.section](args.row_seconds, args.seconds)
    if not ON_GPU:
        text = f"**Nothing was measured: no GPU, a toy size.**\n\n{text}"
    print(text)
    if args.markdown:
        write_section(args.markdown, args.section, text)


if __name__ == "__main__":
    main()
