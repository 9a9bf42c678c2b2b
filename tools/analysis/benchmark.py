"""Measure time and peak memory of recognizers, in turns, and their ratios.

Machines differ and are shared, so compare ratios. The cases, each in a process of its own,
take turns (A B A B ...), and a ratio is the median over rounds of the quotient of two neighbors.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import benchmark_data
import torch
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from torch.autograd import DeviceType
from torch.nn.parallel import DistributedDataParallel

from f4d_mmaction.analysis.report import markdown_table, write_section
from f4d_mmaction.analysis.timing import take_turns, time_ratio, timed
from f4d_mmaction.models import prepare_for_inference
from f4d_mmaction.models.inference import use_channels_last
from mmaction.registry import MODELS

MODES = ("eager", "compiled", "fast")
# How PyTorch and malloc get memory on the CPU; they read these variables as a process starts.
# What is "kept" stays in the process when it is freed.
MEMORY = {
    "plain": {"THP_MEM_ALLOC_ENABLE": "0"},
    "huge-pages": {"THP_MEM_ALLOC_ENABLE": "1"},
    "kept": {
        "THP_MEM_ALLOC_ENABLE": "1",
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(2**64 - 1),
    },
}
PLAIN_BLOCKS = {"model.backbone.block4d.fused": False}


@dataclass(frozen=True)
class Case:
    """One network with one input, run in one way.

    Raises:
        ValueError: an unknown mode or memory, or the fast mode in training.
    """

    config: str
    batch: int = 2  # videos
    num_units: int = 4  # U; 0 for a network that takes one clip without units
    clip_len: int = 8  # T
    size: int = 224  # height and width
    mode: str = "eager"  # of `MODES`: compiled is the backbone as one graph
    training: bool = False  # a step with backward and SGD instead of a forward pass
    dtype: str | None = None  # float32, or the autocast type; None in fast mode: the device's best
    device: str = "cpu"
    memory: str = "plain"  # of `MEMORY`
    channels_last: bool = False  # lay a network of MMAction2's out so; ours say it in their config
    options: dict = field(default_factory=dict)  # changes to the config, by dotted key

    def __post_init__(self) -> None:
        if self.mode not in MODES or self.memory not in MEMORY:
            raise ValueError(
                f"mode must be of {MODES} and memory of {(*MEMORY,)}, got {self.mode!r} and "
                f"{self.memory!r}"
            )
        if self.training and self.mode == "fast":
            raise ValueError("mode 'fast' does not train; expected 'eager' or 'compiled'")

    @property
    def name(self) -> str:
        """A short name: the config and how it is run."""
        changes = [f"{key.rpartition('.')[2]}={value}" for key, value in self.options.items()]
        dtype = self.dtype or ("best" if self.mode == "fast" else "float32")
        return ", ".join([Path(self.config).stem, self.mode, dtype, *changes])

    @property
    def setting(self) -> str:
        """The machine and its memory, as far as they matter for a timing."""
        if torch.device(self.device).type == "cuda":
            hardware = torch.cuda.get_device_name(self.device)
        else:
            cpu = getattr(torch.backends, "cpu", None)  # not in PyTorch 2.0
            instructions = cpu.get_cpu_capability() if cpu else "instructions unknown"
            threads = torch.get_num_threads()
            hardware = f"{platform.machine()} CPU ({instructions}), {threads} threads"
            hardware += f", memory: {self.memory}"
        return f"torch {torch.__version__}, Python {platform.python_version()}, {hardware}"

    def build_step(self) -> Callable[[], object]:
        """Build the network (no pretrained weights) and its input; return what runs it once.

        Within a process group it runs with DDP.
        """
        config = Config.fromfile(self.config)
        config.merge_from_dict({"model.backbone.pretrained": None, **self.options})
        init_default_scope(config.get("default_scope", "mmaction"))
        torch.manual_seed(0)
        model = MODELS.build(config.model).to(self.device).train(self.training)
        if self.channels_last:
            use_channels_last(model.backbone)
        units = (self.num_units,) if self.num_units else ()
        shape = (self.batch, 1, *units, 3, self.clip_len, self.size, self.size)
        videos = list(torch.randint(256, shape, dtype=torch.uint8))
        inputs = model.data_preprocessor(dict(inputs=videos, data_samples=None))["inputs"]
        dtype = getattr(torch, self.dtype) if self.dtype else None
        if self.mode == "fast":
            prepare_for_inference(model, dtype=dtype)
            dtype = None
        elif self.mode == "compiled":
            model.backbone.compile(fullgraph=True)
        if torch.distributed.is_initialized():
            model = DistributedDataParallel(model)
        device, enabled = torch.device(self.device).type, dtype not in (None, torch.float32)

        def scores() -> torch.Tensor:
            with torch.autocast(device, dtype, enabled=enabled):
                return model(inputs, mode="tensor", stage="head")

        if not self.training:
            return torch.no_grad()(scores)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)

        def training_step() -> None:
            optimizer.zero_grad()
            scores().float().logsumexp(1).sum().backward()
            optimizer.step()

        return training_step


@contextmanager
def fresh_process(**environment: str) -> Iterator[ProcessPoolExecutor]:
    """Start a process with its own environment, which malloc and PyTorch read as they start."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        with patch.dict(os.environ, environment):
            process.submit(os.getpid).result()  # with the first work it starts
        yield process


def time_cases(cases: Sequence[Case], rounds: int) -> list[list[float]]:
    """Time the cases in turns; return the seconds of each, round by round."""
    with ExitStack() as stack:
        processes = [stack.enter_context(fresh_process(**MEMORY[case.memory])) for case in cases]
        for process, case in zip(processes, cases):
            process.submit(_build, case).result()
        candidates = [lambda process=process: process.submit(_time_once).result()
                      for process in processes]  # fmt: skip
        return take_turns(candidates, rounds, warmup=2)


_built: tuple[Callable[[], object], str]  # the step and device of a process of `time_cases`


def _build(case: Case) -> None:
    global _built
    _built = case.build_step(), case.device


def _time_once() -> float:
    return timed(*_built)


def peak_memory(case: Case) -> int:
    """Return the bytes that a case needs at its peak, weights included.

    On CUDA the allocator's peak; on the CPU the peak resident size of a fresh process over its
    size before the network was built. There every large tensor is mapped on its own, in plain
    pages: the size of a heap would depend on the order of freeing.
    """
    with fresh_process(**MEMORY["plain"], MALLOC_MMAP_THRESHOLD_=str(2**18)) as process:
        return process.submit(_peak_memory, case).result()


def _peak_memory(case: Case) -> int:
    on_cuda = torch.device(case.device).type == "cuda"
    before = 0 if on_cuda else resident_peak(reset=True)
    step = case.build_step()
    if on_cuda:
        torch.cuda.reset_peak_memory_stats(case.device)
    for _ in range(2):
        step()
    return torch.cuda.max_memory_allocated(case.device) if on_cuda else resident_peak() - before


def resident_peak(reset: bool = False) -> int:
    """Bytes of this process's peak resident size; ``reset`` forgets earlier peaks."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def compare(cases: Sequence[Case], rounds: int) -> str:
    """Measure time and peak memory of the cases; return a table, with ratios to the first."""
    seconds = time_cases(cases, rounds)
    peaks = [peak_memory(case) for case in cases]
    rows = []
    for case, times, peak in zip(cases, seconds, peaks):
        median = statistics.median(times)
        speed = time_ratio(seconds[0], times) * case.batch / cases[0].batch
        rows.append(
            [
                case.name,
                f"{case.batch} x U{case.num_units} x T{case.clip_len}, {case.size}",
                f"{median:.3f} ({min(times):.3f} to {max(times):.3f})",
                f"{case.batch / median:.2f}",
                f"{speed:.2f}",
                f"{peak / 2**20:.0f}",
                f"{peak / peaks[0]:.2f}",
            ]
        )
    header = ["network", "input", "seconds, median (range)", "videos/s", "speed to the first"]
    table = markdown_table([*header, "peak MiB", "peak to the first"], rows)
    what = "Training step" if cases[0].training else "Forward pass"
    return f"{what}; {cases[0].setting}.\n\n{table}"


def profile(case: Case) -> list[tuple[float, str, int]]:
    """Return share in one step's time (CUDA: of its kernels), operator and calls, longest first."""
    step = case.build_step()
    for _ in range(2):
        step()
    on_cuda = torch.device(case.device).type == "cuda"
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if on_cuda else []
    with torch.profiler.profile(activities=kinds) as profiler:
        timed(step, case.device)
    return shares_of(profiler.key_averages(), on_cuda)


def shares_of(events: Iterable, on_cuda: bool) -> list[tuple[float, str, int]]:
    """Return share, name and calls of a profile's events, longest first; on CUDA of its kernels.

    The operator that started a kernel has the kernel's time too.
    """
    spent = "self_cpu_time_total"
    if on_cuda:
        events = [e for e in events if e.device_type == DeviceType.CUDA]
        events = [e for e in events if not getattr(e, "is_user_annotation", False)]
        known = all(hasattr(e, "self_device_time_total") for e in events)  # since PyTorch 2.4
        spent = "self_device_time_total" if known else "self_cuda_time_total"
    times = [(getattr(event, spent), event.key, event.count) for event in events]
    total = sum(seconds for seconds, *_ in times)
    return sorted(((seconds / total, *rest) for seconds, *rest in times), reverse=True)


def profiles(cases: Sequence[Case]) -> str:
    """Return the ten longest operators of each case as tables below each other."""
    tables = []
    for case in cases:
        with fresh_process(**MEMORY[case.memory]) as process:
            longest = process.submit(profile, case).result()[:10]
        rows = [[f"`{operator}`", f"{share:.1%}", calls] for share, operator, calls in longest]
        tables.append(f"{case.name}:\n\n{markdown_table(['operator', 'share', 'calls'], rows)}")
    return "\n\n".join(tables)


def scaling(cases: Sequence[Case], values: Sequence[int], rounds: int, picture: str | Path) -> str:
    """Time the cases at each number of units and at each unit length; draw and return tables."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    tables = []
    for axes, (key, letter) in zip(
        figure.subplots(1, 2, sharey=True), {"num_units": "U", "clip_len": "T"}.items()
    ):
        changes: list[dict] = [{key: value} for value in values]
        measured = [
            time_cases([replace(case, **change) for case in cases], rounds) for change in changes
        ]
        rows = []
        for case, columns in zip(cases, zip(*measured)):
            times = [statistics.median(column) for column in columns]
            axes.plot(values, times, marker="o", label=Path(case.config).stem)
            last = f"{times[-1] / times[0]:.1f}"
            rows.append([case.name, *(f"{time:.3f}" for time in times), last])
        header = ["seconds", *(f"{letter} = {value}" for value in values), "last to first"]
        tables.append(markdown_table(header, rows))
        axes.set(xlabel=f"{key} ({letter})", ylim=(0, None))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("seconds")
    figure.axes[0].legend()
    figure.savefig(picture, dpi=120)
    return "\n\n".join([f"{cases[0].setting}.", *tables])


# --------------------------------------------------------------------------------- stated ratios


def measure(target: dict, rounds: int, device: str, memory: str) -> float:
    """Measure one target's ratio, see :func:`check`."""
    kind = target["measure"]
    if kind == "loading":
        config = Config.fromfile(target["config"])
        init_default_scope(config.get("default_scope", "mmaction"))
        return benchmark_data.compare(config, frames=[target["frames"]], videos=6)[0].ratio()
    of, to = (Case(device=device, memory=memory, **target[role]) for role in ("of", "to"))
    if kind == "memory":
        return peak_memory(of) / peak_memory(to)
    if kind not in ("speed", "time"):
        raise ValueError(
            f"measure of {target['name']!r} must be speed, time, memory or loading, got {kind!r}"
        )
    times, others = time_cases([of, to], rounds)
    if kind == "time":
        return time_ratio(times, others)
    return time_ratio(others, times) * of.batch / to.batch


def check(
    path: str | Path, only: str = "", rounds: int = 5, device: str = "cpu", memory: str = "plain"
) -> list[dict]:
    """Hold this machine to the ratios stated in a JSON file.

    Each target names a ``measure``: ``speed`` (videos a second), ``time`` and ``memory`` (peak)
    compare the case ``of`` to the case ``to``; ``loading`` is the speed of a ``config``'s test
    pipeline over that of MMAction2's stock one, on videos of ``frames``. It has ``at_least`` or
    ``at_most``. Those whose name has the text ``only`` are returned with ``ratio`` and ``met``.

    Raises:
        ValueError: an unknown measure, or no target to check.
    """
    targets = json.loads(Path(path).read_text(encoding="utf-8"))["targets"]
    targets = [target for target in targets if only in target["name"]]
    if not targets:
        raise ValueError(f"{path} has no target whose name has {only!r}")
    results = []
    for target in targets:
        ratio = measure(target, rounds, device, memory)
        met = target.get("at_least", ratio) <= ratio <= target.get("at_most", ratio)
        results.append(dict(target, ratio=ratio, met=met))
        place = f"{len(results)} of {len(targets)}"
        print(f"{place}: {target['name']}: {ratio:.2f}", file=sys.stderr, flush=True)
    return results


def check_markdown(results: Sequence[dict], device: str, memory: str) -> str:
    """Show targets, ratios and whether they were met."""
    rows = []
    for result in results:
        bound = "at_least" if "at_least" in result else "at_most"
        stated = f"{bound.replace('_', ' ')} {result[bound]}"
        met = "yes" if result["met"] else "**no**"
        rows.append([result["name"], stated, f"{result['ratio']:.2f}", met])
    table = markdown_table(["target", "bound", "here", "met"], rows)
    return f"{Case('', device=device, memory=memory).setting}.\n\n{table}"


def cases_of(args: argparse.Namespace) -> list[Case]:
    shared = ("batch", "num_units", "clip_len", "size", "training", "dtype", "device", "memory")
    settings = {name: getattr(args, name) for name in shared}
    changes = [{}, PLAIN_BLOCKS] if args.plain_blocks else [{}]
    return [
        Case(config, mode=mode, options={**args.cfg_options, **change}, **settings)
        for mode in args.mode
        for config in args.configs
        for change in changes
    ]


def main() -> int:
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
    parser.add_argument("--memory", choices=MEMORY, default="plain", help="of the CPU")
    parser.add_argument(
        "--training", action="store_true", help="training steps, not forward passes"
    )
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={}, metavar="K=V")
    parser.add_argument(
        "--plain-blocks", action="store_true", help="each network also with block4d.fused=False"
    )
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument("--plot", metavar="PICTURE", help="time against U and against T")
    parser.add_argument("--plot-values", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--markdown", nargs=2, metavar=("FILE", "SECTION"))
    args = parser.parse_args()
    if bool(args.configs) == bool(args.check):
        parser.error("give configs to compare, or --check FILE")
    all_met = True
    try:
        if args.check:
            results = check(args.check, args.only, args.rounds, args.device, args.memory)
            text = check_markdown(results, args.device, args.memory)
            all_met = all(result["met"] for result in results)
        elif args.profile:
            text = profiles(cases_of(args))
        elif args.plot:
            text = scaling(cases_of(args), args.plot_values, args.rounds, args.plot)
        else:
            text = compare(cases_of(args), args.rounds)
        print(text)
        if args.markdown:
            write_section(args.markdown[0], args.markdown[1], text)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
