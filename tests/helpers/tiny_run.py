"""A training that takes a second, started as users start theirs: `tools/train.py CONFIG`.

Processes are forked from a server that has imported everything once, so that a test can afford to
kill many of them.
"""

import multiprocessing
import os
import resource
import runpy
import signal
import sys
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]

_CONFIG = """
_base_ = "{root}/configs/recognition/f4d/{base}.py"

for loader in (_base_.train_dataloader, _base_.val_dataloader, _base_.test_dataloader):
    loader.dataset.ann_file = loader.dataset.ann_file.replace("data/phase_order", "{data}")
    loader.dataset.data_prefix.video = "{data}/"
    names = loader.dataset.metainfo.classes
    loader.dataset.metainfo = dict(classes=names.replace("data/phase_order", "{data}"))
    loader.batch_size = 4
_base_.model.backbone.base_channels = 8
_base_.model.backbone.block4d.dropout = 0.5
_base_.model.cls_head.in_channels = 64
_base_.train_cfg.max_epochs = 3
_base_.param_scheduler[0].total_steps = 3
_base_.default_hooks.logger.interval = 1
randomness = dict(seed=7)
"""

# Importing MMEngine looks for GPUs, after which a forked process cannot use CUDA.
_server = multiprocessing.get_context("spawn" if torch.cuda.is_available() else "forkserver")
_server.set_forkserver_preload(
    ["f4d_mmaction", "mmaction.apis", "f4d_mmaction.apis", "f4d_mmaction.engine", "tiny_run"]
)


def write_config(
    folder: Path, data: Path, changes: str = "", base: str = "f4d_r18_phase_order"
) -> Path:
    """Write the config of three epochs of four iterations, followed by ``changes``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny.py"
    path.write_text(_CONFIG.format(root=ROOT, base=base, data=data) + changes)
    return path


def start(
    tool: str, *arguments: object, log: Path, disk: int | None = None, dies: bool = False
) -> BaseProcess:
    """Start ``tools/TOOL`` in a process and session of its own.

    Args:
        tool: File name of the tool.
        arguments: Of its command line.
        log: File to append all output to.
        disk: Bytes at which writing a file fails as on a full disk.
        dies: Be killed there instead, with the file half written.
    """
    arguments = [str(part) for part in arguments]
    process = _server.Process(target=_main, args=(tool, arguments, log, disk, dies))
    process.start()
    return process


def finish(process: BaseProcess, log: Path, code: int = 0) -> str:
    """Wait for a process and check its exit code; returns what it said."""
    process.join(900)
    output = said(log.parent)
    assert process.exitcode == code, f"exit code {process.exitcode}, not {code}:\n{output[-4000:]}"
    return output


def start_training(config: Path, work_dir: Path, *arguments: object, **faults) -> BaseProcess:
    """Start a training whose output goes to the end of ``work_dir / 'output.txt'``."""
    work_dir.mkdir(parents=True, exist_ok=True)
    log = work_dir / "output.txt"
    log.touch()
    return start("train.py", config, "--work-dir", work_dir, *arguments, log=log, **faults)


def train(config: Path, work_dir: Path, *arguments: object, code: int = 0, **faults) -> str:
    """Train to the end; returns what was said in this and earlier runs of ``work_dir``."""
    process = start_training(config, work_dir, *arguments, **faults)
    return finish(process, work_dir / "output.txt", code)


def wait_for(text: str, work_dir: Path, process: BaseProcess, times: int = 1) -> None:
    """Wait until a training has said ``text`` so often, or has ended."""
    while process.is_alive() and said(work_dir).count(text) < times:
        time.sleep(0.01)


def said(work_dir: Path) -> str:
    """What all trainings of a work directory have said."""
    return (work_dir / "output.txt").read_text(errors="replace")


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=False)["state_dict"]


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Equal names, and values equal bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def _main(tool: str, arguments: Sequence[str], log: Path, disk: int | None, dies: bool) -> None:
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(log.parent)
    torch.set_num_threads(1)
    if disk is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if dies else signal.SIG_IGN)
    script = ROOT / "tools" / tool
    sys.argv = [tool, *arguments]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")
