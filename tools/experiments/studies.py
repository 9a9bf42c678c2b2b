"""Studies: many small trainings on the shipped benchmark, one after another, each kept.

A study is a config file (Python, YAML or JSON):

- ``benchmark``: ``root``, the folder of the benchmark, made where it is missing; ``preset`` and
  ``options`` of ``tools/data/make_benchmark.py``, by name. Real data has ``root`` and ``command``,
  which tells a person how to bring it;
- ``seeds``;
- ``splits``: by name the options of each fold of a cross-validation, where there are folds;
- ``options``: settings of every run, as ``--cfg-options`` takes them;
- ``rows``: by name a network, ``dict(config=PATH, options={...})``, in the order to run them, with
  ``seeds`` of its own where it is run with fewer;
- ``tables``, ``curves``, ``reference``, ``opposites`` and ``prefix``: of the report, see
  ``sweep_report.py``;
- ``results`` and ``document``: files, relative to the study's own;
- ``work_dirs``: folder of logs and checkpoints, where not ``work_dirs/`` and the study's name.

A finished run is one line of ``results``, found again by a digest of what decides it: network,
data, recipe, benchmark, seed. So a study continues where it stopped, rows with the same network
share their runs, and a row whose config has changed is run again.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from copy import deepcopy
from dataclasses import MISSING, dataclass, field, fields
from multiprocessing import parent_process
from pathlib import Path
from statistics import fmean
from threading import Thread

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.utils import get_git_hash, import_modules_from_strings

from f4d_mmaction.analysis.complexity import complexity, protocol
from f4d_mmaction.engine.launch import build_runner, load_config
from f4d_mmaction.json_lines import read_json_lines
from f4d_mmaction.models.preprocessing import reverse_units
from f4d_mmaction.visualization import read_errors

MAKE_BENCHMARK = Path(__file__).resolve().parents[1] / "data" / "make_benchmark.py"
DECIDES = (
    "model",
    "train_dataloader",
    "test_dataloader",
    "optim_wrapper",
    "param_scheduler",
)
MAY_DECIDE = "custom_hooks", "load_from"  # not in the keys of runs without them


@dataclass
class Study:
    """A study as its file says."""

    benchmark: dict
    seeds: list
    options: dict
    rows: dict
    tables: dict
    curves: dict
    results: Path
    document: Path
    work_dirs: str
    splits: dict = field(default_factory=lambda: {"": {}})
    reference: str | None = None
    opposites: dict = field(default_factory=dict)
    prefix: str = ""

    @classmethod
    def load(cls, path: str | Path, changes: dict | None = None) -> "Study":
        """Read a study, with changes by dotted key.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: a setting is missing or unknown, or a table names no row.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"study {path} does not exist")
        config = Config.fromfile(path, lazy_import=False)
        config.merge_from_dict(changes or {})
        found = {"work_dirs": f"work_dirs/{path.stem}", **config.to_dict()}
        missing = [
            each.name
            for each in fields(cls)
            if each.name not in found and each.default is each.default_factory is MISSING
        ]
        if missing:
            raise ValueError(f"study {path} does not set {', '.join(missing)}")
        study = cls(**{each.name: found[each.name] for each in fields(cls) if each.name in found})
        study.results = path.parent / study.results
        study.document = path.parent / study.document
        named = {row for table in study.tables.values() for row in table["rows"].values()}
        named |= {*study.curves.values()} | ({study.reference} if study.reference else set())
        unknown = sorted(named - set(study.rows))
        if unknown:
            raise ValueError(f"study {path}: tables or curves name unknown rows {unknown}")
        return study

    @property
    def benchmark_arguments(self) -> list[str]:
        """Arguments of ``tools/data/make_benchmark.py``."""
        options = self.benchmark.get("options", {})
        arguments = [self.benchmark["root"], "--preset", self.benchmark["preset"]]
        for name, value in options.items():
            arguments += [f"--{name.replace('_', '-')}", str(value)]
        return arguments

    @property
    def runnable(self) -> set[str]:
        """Rows whose config exists, seen from the current folder."""
        return {row for row, entry in self.rows.items() if Path(entry["config"]).is_file()}

    def runs(self, only: Sequence[str] = (), seeds: Sequence[int] = ()) -> "list[Run]":
        """List the runs seed by seed, split by split, row by row, each network once.

        Only of these rows and seeds; none is all.

        Raises:
            ValueError: an unknown row or seed.
        """
        for name, unknown, known in (
            ("row", set(only) - set(self.rows), self.rows),
            ("seed", set(seeds) - set(self.seeds), self.seeds),
        ):
            if unknown:
                raise ValueError(
                    f"unknown {name} {sorted(unknown)}; expected some of {list(known)}"
                )
        runs: dict[str, Run] = {}
        runnable = self.runnable
        for seed in seeds or self.seeds:
            for split in self.splits:
                for row in only or self.rows:
                    if row in runnable and seed in self.rows[row].get("seeds", self.seeds):
                        run = Run.of(self, row, seed, split)
                        runs.setdefault(run.key, run)
        return list(runs.values())

    def keep(self, result: dict) -> None:
        """Append a result, on a line of its own even where a killed sweep left half a line."""
        self.results.parent.mkdir(parents=True, exist_ok=True)
        with self.results.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                file.write(b"" if file.read() == b"\n" else b"\n")
            file.write(json.dumps(result).encode() + b"\n")

    def finished(self) -> dict[str, dict]:
        """Read the results by key."""
        return {result["key"]: result for result in read_json_lines(self.results)}


@dataclass(frozen=True)
class Run:
    """One training: a row of a study at a seed and split, with its resolved config."""

    row: str
    seed: int
    split: str
    key: str
    config: Config

    @classmethod
    def of(cls, study: Study, row: str, seed: int, split: str) -> "Run":
        """Resolve a row of a study at a seed and split."""
        entry = study.rows[row]
        # Merging takes `_delete_` out of what it merges: hand it copies.
        config = load_config(entry["config"], None, deepcopy(study.options), "none")
        config.merge_from_dict(deepcopy(study.splits[split]))
        config.merge_from_dict(deepcopy(entry.get("options", {})))
        config.randomness = dict(seed=seed)
        decides = {name: config.get(name) for name in DECIDES}
        decides["max_epochs"] = config.train_cfg.max_epochs
        decides |= {name: config[name] for name in MAY_DECIDE if config.get(name)}
        made_of = [study.benchmark.get("preset"), study.benchmark.get("options", {})]
        text = json.dumps([decides, *made_of, seed], sort_keys=True)
        key = hashlib.sha1(text.encode()).hexdigest()[:12]
        config.work_dir = str(Path(study.work_dirs) / f"{row}{split}_seed{seed}_{key}")
        return cls(row, seed, split, key, config)

    def train_and_test(self) -> dict:
        """Train, test, and test with each video's units in reverse order; return the result.

        Accuracies are those of the last epoch's weights: nothing is selected on the test videos.
        """
        import_modules_from_strings(**self.config.custom_imports)  # a row may name more
        wall, cpu = time.perf_counter(), time.process_time()
        runner = build_runner(self.config)
        runner.train()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        forward, backward = Scores(), Scores()
        runner.register_hook(forward)
        runner.test_loop.run()  # in runner.test(), EMAHook's average would begin anew
        runner.hooks.remove(forward)
        runner.register_hook(backward)
        runner.model.data_preprocessor.register_forward_pre_hook(reverse_units)
        runner.test_loop.run()
        units, frames, _ = protocol(self.config)
        size = runner.test_dataloader.dataset[0]["inputs"].shape[-1]
        cost = complexity(self.config, units, frames, size)
        errors = read_errors(self.config.work_dir)
        return dict(
            row=self.row,
            seed=self.seed,
            split=self.split,
            key=self.key,
            accuracy=round(forward.accuracy, 6),
            accuracy_reversed=round(backward.accuracy, 6),
            labels=forward.labels,
            predictions=forward.predictions,
            predictions_reversed=backward.predictions,
            params=cost.params,
            macs=cost.macs,
            seconds=round(wall, 1),
            cpu_seconds=round(cpu, 1),
            train_error={epoch: round(error, 4) for epoch, error in errors.train.items()},
            test_error={epoch: round(error, 4) for epoch, error in errors.val.items()},
            torch=torch.__version__,
            commit=get_git_hash(digits=7),
        )


class Scores(Hook):
    """Keeps the label and the predicted class of each test video, in the order of the list."""

    def __init__(self) -> None:
        self.labels: list[int] = []
        self.predictions: list[int] = []

    def after_test_iter(self, *args: object, outputs: Sequence, **kwargs: object) -> None:
        self.labels += [int(sample.gt_label) for sample in outputs]
        self.predictions += [int(sample.pred_score.argmax()) for sample in outputs]

    @property
    def accuracy(self) -> float:
        """Share of the videos whose predicted class is their label."""
        return fmean(map(int.__eq__, self.labels, self.predictions))


def sweep(
    study: Study,
    only: Sequence[str] = (),
    seeds: Sequence[int] = (),
    limit_minutes: float = float("inf"),
    threads: int = 1,
) -> list[Run]:
    """Run what is not finished yet, each run in a process of its own with so many threads.

    Only these rows and seeds, none is all; no run starts after the limit. Returns the runs that
    failed; they are tried again next time.

    Raises:
        ValueError: an unknown row or seed, no row that can run, or a benchmark folder that holds
            something else.
    """
    logger = MMLogger.get_current_instance()
    runnable = study.runnable
    if not runnable:
        raise ValueError(f"no config of the study's rows exists, seen from {Path.cwd()}")
    for row, entry in study.rows.items():
        if row not in runnable:
            logger.warning(f"{row}: skipped, there is no {entry['config']}")
    runs = study.runs(only, seeds)
    start, failed = time.monotonic(), []
    for number, run in enumerate(runs, start=1):
        if run.key in study.finished():
            continue
        if time.monotonic() - start >= 60 * limit_minutes:
            logger.info(f"{limit_minutes:g} minutes are over: stopped before run {number}")
            break
        make_benchmark(study)
        name = f"{run.row}{run.split}, seed {run.seed}"
        logger.info(f"run {number} of {len(runs)}: {name}")
        result = run_in_process(run, threads)
        if result is None:
            logger.warning(f"{name} failed: see {output_of(run)}")
            failed.append(run)
            continue
        study.keep(result)
        logger.info(f"{name}: {result['accuracy']:.1%}")
    return failed


def make_benchmark(study: Study, *arguments: str) -> None:
    """Make the study's benchmark; an existing one is kept.

    Raises:
        FileNotFoundError: it is real data that is not there.
        ValueError: it cannot be made, for a reason that the command prints.
    """
    if "command" in study.benchmark:
        if not Path(study.benchmark["root"]).is_dir():
            raise FileNotFoundError(
                f"no folder {study.benchmark['root']}: make it by `{study.benchmark['command']}`"
            )
        return
    command = [sys.executable, str(MAKE_BENCHMARK), *study.benchmark_arguments, *arguments]
    if subprocess.run(command).returncode:
        raise ValueError(f"the benchmark could not be made: {' '.join(command[1:])}")


def run_in_process(run: Run, threads: int) -> dict | None:
    """Return a run's result; None where it failed or its process was killed."""
    shutil.rmtree(run.config.work_dir, ignore_errors=True)  # of a run that did not finish
    Path(run.config.work_dir).mkdir(parents=True)
    # Importing MMEngine looks for GPUs, after which a forked process cannot use CUDA.
    context = multiprocessing.get_context("spawn" if torch.cuda.is_available() else "forkserver")
    context.set_forkserver_preload(["mmaction.apis", "f4d_mmaction"])  # slow to import
    with ProcessPoolExecutor(1, context) as process:
        try:
            return process.submit(_work, run, threads).result()
        except BrokenProcessPool:
            return None


def _end_with_parent() -> None:
    """End the run with its sweep, where that is killed: no one would keep the result."""
    if sweeping := parent_process():
        sweeping.join()
        os._exit(1)


def output_of(run: Run) -> Path:
    """Return the file that receives a run's output."""
    return Path(run.config.work_dir) / "output.log"


def _work(run: Run, threads: int) -> dict | None:
    """Train and test in a process of its own, whose output goes to a file; None for an error."""
    with output_of(run).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    (Path(run.config.work_dir) / "pid").write_text(str(os.getpid()))
    torch.set_num_threads(threads)
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        return run.train_and_test()
    except Exception:
        traceback.print_exc()
        return None
