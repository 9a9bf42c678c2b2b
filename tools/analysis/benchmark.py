"""Time and peak memory of recognizers, compared on one machine in one run.

Machines differ and are shared, so what counts are ratios: the subjects, each in a process of its
own, take turns (A B A B), and a ratio is the median over rounds of the quotient of two neighbours.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import benchmark_data
import torch
from cpu_memory import keep_freed_memory
from mmaction.registry import MODELS
from mmengine.config import Config, DictAction
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope

from f4d_mmaction.analysis.complexity import complexity
from f4d_mmaction.analysis.report import markdown_table, write_section
from f4d_mmaction.models import FactorizedConv4d, prepare_for_inference

MODES = ("eager", "compiled", "fast")
MEMORY = {"kept": {"THP_MEM_ALLOC_ENABLE": "1"}, "plain": {"THP_MEM_ALLOC_ENABLE": "0"}}


@dataclass(frozen=True)
class Subject:
    """One network with one input, run in one way.

    Args:
        config: Path of an MMAction2 config.
        batch: Videos.
        num_units: U.
        clip_len: T.
        size: Height and width.
        mode: ``'eager'``, ``'compiled'`` (the backbone as one graph), or ``'fast'``
            (:func:`prepare_for_inference`).
        training: A training step (forward, backward, SGD) instead of a forward pass.
        dtype: ``'float32'``, or the autocast type; with ``'fast'`` None is the device's best.
        device: Where to run.
        memory: Of the CPU: ``'kept'``, as this package's tools run (``cpu_memory.py``), or
            ``'plain'``, as PyTorch and malloc come.
        options: Changes to the config, by dotted key.

    Raises:
        ValueError: an unknown mode or memory.
    """

    config: str
    batch: int = 2
    num_units: int = 4
    clip_len: int = 8
    size: int = 224
    mode: str = "eager"
    training: bool = False
    dtype: str | None = None
    device: str = "cpu"
    memory: str = "kept"
    options: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mode not in MODES or self.memory not in MEMORY:
            raise ValueError(
                f"mode must be of {MODES} and memory of {(*MEMORY,)}, got {self.mode!r} and "
                f"{self.memory!r}"
            )

    @property
    def name(self) -> str:
        """A short name: the config and what was changed."""
        changes = [f"{key.rpartition('.')[2]}={value}" for key, value in self.options.items()]
        way = [self.mode, self.dtype or ("best" if self.mode == "fast" else "float32")]
        way += ["plain memory"] if self.memory == "plain" else []
        return ", ".join([Path(self.config).stem, *way, *changes])

    def load(self) -> Config:
        """Read the config with the changes; nothing is downloaded."""
        config = Config.fromfile(self.config)
        config.merge_from_dict({"model.backbone.pretrained": None, **self.options})
        return config


def build_step(subject: Subject) -> Callable[[], None]:
    """Build the network and its input, and return what runs it once.

    Raises:
        ValueError: the fast mode in training.
    """
    if subject.training and subject.mode == "fast":
        raise ValueError("mode 'fast' does not train; expected 'eager' or 'compiled'")
    config = subject.load()
    init_default_scope(config.get("default_scope", "mmaction"))
    torch.manual_seed(0)
    model = MODELS.build(config.model).to(subject.device).train(subject.training)
    shape = (3, subject.clip_len, subject.size, subject.size)
    videos = [
        torch.randint(256, (1, subject.num_units, *shape), dtype=torch.uint8)
        for _ in range(subject.batch)
    ]
    inputs = model.data_preprocessor(dict(inputs=videos, data_samples=None))["inputs"]
    dtype = getattr(torch, subject.dtype) if subject.dtype else None
    if subject.mode == "fast":
        prepare_for_inference(model, dtype=dtype)
        dtype = None
    elif subject.mode == "compiled":
        model.backbone.compile(fullgraph=True)
    context = torch.autocast(
        torch.device(subject.device).type, dtype, enabled=dtype not in (None, torch.float32)
    )
    return (
        training_step(model, inputs, context)
        if subject.training
        else forward(model, inputs, context)
    )


def forward(model: BaseModel, inputs: torch.Tensor, context: torch.autocast) -> Callable[[], None]:
    """Return a forward pass to the scores."""

    @torch.no_grad()
    def step() -> None:
        with context:
            model(inputs, mode="tensor", stage="head")

    return step


def training_step(
    model: BaseModel, inputs: torch.Tensor, context: torch.autocast
) -> Callable[[], None]:
    """Return a step of SGD with momentum on a loss over the scores."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        with context:
            scores = model(inputs, mode="tensor", stage="head")
        scores.float().logsumexp(1).sum().backward()
        optimizer.step()

    return step


def timed(step: Callable[[], None], device: str) -> float:
    """Seconds of one call, the device's queue drained before and after."""
    cuda = torch.device(device).type == "cuda"
    if cuda:
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    step()
    if cuda:
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


@contextmanager
def fresh_process(**environment: str) -> Iterator[ProcessPoolExecutor]:
    """Start a process with its own environment, which malloc and PyTorch read as they start."""
    before = dict(os.environ)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        os.environ.update(environment)
        try:
            process.submit(os.getpid).result()  # with the first work it starts
        finally:
            os.environ.clear()
            os.environ.update(before)
        yield process


def interleave(subjects: Sequence[Subject], rounds: int, warmup: int = 2) -> list[list[float]]:
    """Time the subjects in turns; return the seconds of each, round by round."""
    seconds: list[list[float]] = [[] for _ in subjects]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(fresh_process(**MEMORY[subject.memory])) for subject in subjects
        ]
        for process, subject in zip(processes, subjects):
            process.submit(_warm_up, subject, warmup).result()
        for _ in range(rounds):
            for process, times in zip(processes, seconds):
                times.append(process.submit(_time_once).result())
    return seconds


_warm: tuple[Callable[[], None], str]  # the step and device of a process of `interleave`


def _warm_up(subject: Subject, calls: int) -> None:
    global _warm
    keep_freed_memory()
    _warm = build_step(subject), subject.device
    for _ in range(calls):
        _time_once()


def _time_once() -> float:
    return timed(*_warm)


def profile(subject: Subject, top: int = 10) -> list[dict]:
    """Share of each operator in one step's time on the CPU (or of its kernels on CUDA).

    Returns:
        The ``top`` operators with ``operator``, ``share`` and ``calls``, the longest first.
    """
    with fresh_process(**MEMORY[subject.memory]) as process:
        return process.submit(_profile, subject, top).result()


def _profile(subject: Subject, top: int) -> list[dict]:
    keep_freed_memory()
    step = build_step(subject)
    for _ in range(2):
        step()
    cuda = torch.device(subject.device).type == "cuda"
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if cuda else []
    with torch.profiler.profile(activities=kinds) as profiler:
        timed(step, subject.device)
    spent = "self_device_time_total" if cuda else "self_cpu_time_total"
    events = profiler.key_averages()
    total = sum(getattr(event, spent) for event in events)
    shares = [
        dict(operator=event.key, share=getattr(event, spent) / total, calls=event.count)
        for event in events
    ]
    return sorted(shares, key=lambda share: -share["share"])[:top]


def profile_markdown(profiles: dict[str, list[dict]]) -> str:
    """Show the profiles of several subjects, by name, below each other."""
    return "\n\n".join(
        f"{name}:\n\n"
        + markdown_table(
            ["operator", "share", "calls"],
            [[f"`{row['operator']}`", f"{row['share']:.1%}", row["calls"]] for row in rows],
        )
        for name, rows in profiles.items()
    )


def peak_memory(subject: Subject) -> int:
    """Bytes that the subject needs at its peak, weights included.

    On CUDA the allocator's peak; on the CPU the peak resident size of a fresh process over its
    size before the network was built. Its tensors are mapped one by one whatever the subject's
    ``memory``, since a heap keeps holes that say more about the order of freeing than about the
    network.
    """
    with fresh_process(**MEMORY[subject.memory], MALLOC_MMAP_THRESHOLD_=str(2**18)) as process:
        return process.submit(_peak_memory, subject).result()


def _peak_memory(subject: Subject) -> int:
    if torch.device(subject.device).type == "cuda":
        step = build_step(subject)
        torch.cuda.reset_peak_memory_stats(subject.device)
        for _ in range(2):
            step()
        return torch.cuda.max_memory_allocated(subject.device)
    before = resident_peak(reset=True)
    step = build_step(subject)
    for _ in range(2):
        step()
    return resident_peak() - before


def resident_peak(reset: bool = False) -> int:
    """Bytes of this process's peak resident size; ``reset`` forgets earlier peaks, on Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if platform.system() == "Darwin" else peak * 1024
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def matmul_rate(device: str = "cpu", dtype: torch.dtype = torch.float32, size: int = 2048) -> float:
    """Multiply-adds a second of this machine's own matrix product."""
    a = torch.rand(size, size, dtype=dtype, device=device)
    step = lambda: a @ a  # noqa: E731
    step()
    return size**3 / statistics.median(timed(step, device) for _ in range(9))


@torch.no_grad()
def convolution_rate(device: str = "cpu", channels: int = 512, pixels: int = 28) -> float:
    """Multiply-adds a second of the factorised 4D convolution at the size of conv3, 2 x U4 x T8."""
    N, U, T = 2, 4, 8
    conv = FactorizedConv4d(channels, channels, mid_channels=channels // 8).to(device).eval()
    conv = conv.to(memory_format=torch.channels_last_3d)
    x = torch.rand(N * U, channels, T, pixels, pixels, device=device)
    x = x.contiguous(memory_format=torch.channels_last_3d).unflatten(0, (N, U)).transpose(1, 2)
    macs = 2 * 3 * channels * (channels // 8) * N * U * T * pixels**2
    step = lambda: conv(x)  # noqa: E731
    step()
    return macs / statistics.median(timed(step, device) for _ in range(9))


def environment(device: str = "cpu") -> str:
    """Name the machine, as far as it matters for a timing."""
    if torch.device(device).type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    else:
        instructions = torch.backends.cpu.get_cpu_capability()
        hardware = f"{platform.machine()} CPU ({instructions}), {torch.get_num_threads()} threads"
    return f"torch {torch.__version__}, Python {platform.python_version()}, {hardware}"


def compare(subjects: Sequence[Subject], rounds: int = 5, memory: bool = True) -> list[dict]:
    """Measure the subjects in turns.

    Returns:
        One record per subject, fit for JSON: the subject, seconds per round, videos a second,
        peak bytes (None without ``memory``), multiply-adds a second of the forward pass, and the
        speed (videos a second) relative to the first.
    """
    seconds = interleave(subjects, rounds)
    records = []
    for subject, times in zip(subjects, seconds):
        macs = complexity(subject.load(), subject.num_units, subject.clip_len, subject.size).macs
        median = statistics.median(times)
        records.append(
            dict(
                name=subject.name,
                subject=asdict(subject),
                seconds=times,
                videos_per_second=subject.batch / median,
                macs_per_second=(3 if subject.training else 1) * macs * subject.batch / median,
                peak_bytes=peak_memory(subject) if memory else None,
                speed=quotient(seconds[0], times) * subject.batch / subjects[0].batch,
            )
        )
    return records


def quotient(times: Sequence[float], others: Sequence[float]) -> float:
    """Median over rounds of one time over the other."""
    return statistics.median(a / b for a, b in zip(times, others))


def to_markdown(records: Sequence[dict]) -> str:
    """Show the records; ratios are to the first."""
    first = records[0]
    device, training = first["subject"]["device"], first["subject"]["training"]
    rate = matmul_rate(device)
    rows = []
    for record in records:
        subject, times = record["subject"], record["seconds"]
        peak = record["peak_bytes"]
        rows.append(
            [
                record["name"],
                "{batch} x U{num_units} x T{clip_len}, {size}".format(**subject),
                f"{statistics.median(times):.3f} ({min(times):.3f} to {max(times):.3f})",
                f"{record['videos_per_second']:.2f}",
                f"{record['speed']:.2f}",
                f"{record['macs_per_second'] / rate:.2f}",
                f"{peak / 2**20:.0f}" if peak else "-",
                f"{peak / first['peak_bytes']:.2f}" if peak else "-",
            ]
        )
    what = "Training step" if training else "Forward pass"
    table = markdown_table(
        [
            "network",
            "input",
            "seconds, median (range)",
            "videos/s",
            "speed to the first",
            "of matmul rate",
            "peak MiB",
            "peak to the first",
        ],
        rows,
    )
    return (
        f"{what}; {environment(device)}; float32 matrix product {rate / 1e9:.0f} G "
        f"multiply-adds/s.\n\n{table}"
    )


def sweep(
    subjects: Sequence[Subject], units: Sequence[int], lengths: Sequence[int], rounds: int
) -> dict[str, list[list[float]]]:
    """Seconds of each subject at each U (with its own T) and at each T (with its own U)."""

    def medians(changes: Sequence[dict]) -> list[list[float]]:
        columns = []
        for change in changes:
            times = interleave([replace(subject, **change) for subject in subjects], rounds)
            columns.append([statistics.median(t) for t in times])
        return [list(row) for row in zip(*columns)]

    return dict(
        num_units=medians([dict(num_units=U) for U in units]),
        clip_len=medians([dict(clip_len=T) for T in lengths]),
    )


def sweep_markdown(
    subjects: Sequence[Subject],
    units: Sequence[int],
    lengths: Sequence[int],
    seconds: dict[str, list[list[float]]],
) -> str:
    """Show what :func:`sweep` measured."""
    tables = []
    for key, letter, values in (("num_units", "U", units), ("clip_len", "T", lengths)):
        header = ["seconds", *(f"{letter} = {value}" for value in values), "last to first"]
        rows = [
            [Path(subject.config).stem, *(f"{t:.3f}" for t in times), f"{times[-1] / times[0]:.1f}"]
            for subject, times in zip(subjects, seconds[key])
        ]
        tables.append(markdown_table(header, rows))
    return f"{environment(subjects[0].device)}.\n\n" + "\n\n".join(tables)


def plot_sweep(
    path: str | Path,
    subjects: Sequence[Subject],
    units: Sequence[int],
    lengths: Sequence[int],
    seconds: dict[str, list[list[float]]],
) -> None:
    """Draw seconds against U and against T."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axis, key, values in zip(
        figure.subplots(1, 2, sharey=True), ("num_units", "clip_len"), (units, lengths)
    ):
        for subject, line in zip(subjects, seconds[key]):
            axis.plot(values, line, marker="o", label=Path(subject.config).stem)
        axis.set(
            xlabel=f"{'units U' if key == 'num_units' else 'frames per unit T'}", ylim=(0, None)
        )
        axis.grid(alpha=0.3)
    figure.axes[0].set_ylabel("seconds")
    figure.axes[0].legend()
    figure.savefig(path, dpi=120)


def check(path: str | Path, rounds: int = 5, device: str = "cpu", only: str = "") -> list[dict]:
    """Hold this machine to the ratios stated in a JSON file.

    Each target names a ``measure``: ``speed`` (videos a second), ``time``, ``memory`` (peak) and
    ``macs`` compare the subject ``of`` to the subject ``to``; ``convolution`` is the factorised
    convolution's rate over the matrix product's; ``loading`` is the speed of a ``config``'s test
    pipeline over that of MMAction2's stock one, on videos of ``frames``. It has ``at_least`` or
    ``at_most``.

    Args:
        path: The file.
        rounds: Of each timing.
        device: Where to run; videos are loaded on the CPU.
        only: Check the targets whose name has this text.

    Returns:
        The targets with ``ratio`` and ``met``.

    Raises:
        ValueError: an unknown measure, or no target to check.
    """
    targets = json.loads(Path(path).read_text(encoding="utf-8"))["targets"]
    targets = [target for target in targets if only in target["name"]]
    if not targets:
        raise ValueError(f"{path} has no target whose name has {only!r}")
    results = []
    for target in targets:
        ratio = measure(target, rounds, device)
        met = ratio >= target.get("at_least", ratio) and ratio <= target.get("at_most", ratio)
        results.append(dict(target, ratio=ratio, met=met))
    return results


def measure(target: dict, rounds: int, device: str) -> float:
    """Measure one target's ratio, see :func:`check`."""
    kind = target["measure"]
    if kind == "convolution":
        return convolution_rate(device) / matmul_rate(device)
    if kind == "loading":
        config = Config.fromfile(target["config"])
        init_default_scope(config.get("default_scope", "mmaction"))
        return benchmark_data.compare(config, frames=[target["frames"]], videos=6)[0]["ratio"]
    of, to = (Subject(device=device, **target[role]) for role in ("of", "to"))
    if kind == "macs":
        counts = [complexity(s.load(), s.num_units, s.clip_len, s.size).macs for s in (of, to)]
        return counts[0] / counts[1]
    if kind == "memory":
        return peak_memory(of) / peak_memory(to)
    if kind not in ("speed", "time"):
        raise ValueError(
            f"measure of {target['name']!r} must be speed, time, memory, macs, convolution or "
            f"loading, got {kind!r}"
        )
    of_seconds, to_seconds = interleave([of, to], rounds)
    if kind == "time":
        return quotient(of_seconds, to_seconds)
    return quotient(to_seconds, of_seconds) * of.batch / to.batch


def check_markdown(results: Sequence[dict], device: str = "cpu") -> str:
    """Show targets, ratios and whether they were met."""
    rows = [
        [
            result["name"],
            f"at least {result['at_least']}"
            if "at_least" in result
            else f"at most {result['at_most']}",
            f"{result['ratio']:.2f}",
            "yes" if result["met"] else "**no**",
        ]
        for result in results
    ]
    return f"{environment(device)}.\n\n" + markdown_table(["target", "bound", "here", "met"], rows)


def parse_args() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help="ratios are to the first")
    parser.add_argument("--check", metavar="FILE", help="measure these targets; exit 1 if missed")
    parser.add_argument("--only", default="", help="of these, the targets that have this text")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--num-units", type=int, default=4)
    parser.add_argument("--clip-len", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--mode", nargs="+", choices=MODES, default=["eager"])
    parser.add_argument(
        "--memory", choices=MEMORY, default="kept", help="of the CPU: as our tools have it, or not"
    )
    parser.add_argument(
        "--training", action="store_true", help="training steps, not forward passes"
    )
    parser.add_argument("--contiguous", action="store_true", help="do without channels_last")
    parser.add_argument("--checkpointing", choices=["none", "blocks", "all"], default="none")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={}, metavar="K=V")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true", help="measure time only")
    parser.add_argument("--json", type=Path, help="also write the records here")
    parser.add_argument("--markdown", nargs=2, metavar=("FILE", "SECTION"))
    parser.add_argument("--plot", type=Path, help="time against U and T, into this picture")
    parser.add_argument("--plot-units", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--plot-lengths", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    return parser, parser.parse_args()


def subjects_of(args: argparse.Namespace) -> list[Subject]:
    options = dict(args.cfg_options)
    if args.contiguous:
        options["model.backbone.channels_last"] = False
    if args.checkpointing == "all":
        options["model.backbone.with_cp"] = True
    elif args.checkpointing == "blocks":
        options["model.backbone.block4d.with_cp"] = True
    return [
        Subject(
            config=config,
            batch=args.batch,
            num_units=args.num_units,
            clip_len=args.clip_len,
            size=args.size,
            mode=mode,
            training=args.training,
            dtype=args.dtype,
            device=args.device,
            memory=args.memory,
            options=options,
        )
        for mode in args.mode
        for config in args.configs
    ]


def main() -> int:
    parser, args = parse_args()
    if bool(args.configs) == bool(args.check):
        parser.error("give configs to compare, or --check FILE")
    try:
        if args.check:
            records = check(args.check, args.rounds, args.device, args.only)
            text = check_markdown(records, args.device)
        elif args.profile:
            records = {subject.name: profile(subject) for subject in subjects_of(args)}
            text = profile_markdown(records)
        elif args.plot:
            subjects = subjects_of(args)
            records = sweep(subjects, args.plot_units, args.plot_lengths, args.rounds)
            plot_sweep(args.plot, subjects, args.plot_units, args.plot_lengths, records)
            text = sweep_markdown(subjects, args.plot_units, args.plot_lengths, records)
        else:
            records = compare(subjects_of(args), args.rounds, not args.no_memory)
            text = to_markdown(records)
        print(text)
        if args.markdown:
            write_section(*args.markdown, text)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    return int(bool(args.check) and not all(record["met"] for record in records))


if __name__ == "__main__":
    sys.exit(main())
