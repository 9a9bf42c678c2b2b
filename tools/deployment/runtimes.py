"""Time a network in PyTorch and in the runtimes that a person would pick instead, in turns.

From raw frames to scores, with random weights and frames. Every runtime has a process of its own
and as many threads; the last column is the speed to that of the first row.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from export import FramesToScores, Scorer, export_program, onnx_scorer, quantize, save_onnx
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope

from f4d_mmaction.analysis.report import markdown_table, write_section
from f4d_mmaction.analysis.timing import take_turns, time_ratio, timed
from f4d_mmaction.models.inference import best_dtype, prepare_for_inference
from mmaction.registry import MODELS

LOW = best_dtype(torch.device("cpu"))  # bfloat16, if the CPU computes in it
TYPES = dict.fromkeys(str(dtype).removeprefix("torch.") for dtype in (LOW, torch.float32))
# What runs, with which file or type.
CASES = {
    **{f"inference mode, {dtype}": ("fast", dtype) for dtype in TYPES},
    "PyTorch eager, float32": ("eager", "float32"),
    **{f"OpenVINO, 3D, {dtype}": ("openvino", f"3d.onnx {dtype}") for dtype in TYPES},
    **{f"OpenVINO, 2D, {dtype}": ("openvino", f"2d.onnx {dtype}") for dtype in TYPES},
    "ONNX Runtime, 3D, float32": ("onnxruntime", "3d.onnx"),
    "ONNX Runtime, 2D, float32": ("onnxruntime", "2d.onnx"),
    "ONNX Runtime, 3D, 8 bits": ("onnxruntime", "3d_int8.onnx"),
    "ONNX Runtime, 2D, 8 bits": ("onnxruntime", "2d_int8.onnx"),
}


def build(config: Config) -> torch.nn.Module:
    """Build a recognizer with the same random weights in every process."""
    init_default_scope(config.get("default_scope", "mmaction"))
    torch.manual_seed(0)
    return MODELS.build(config.model).eval()


def write_files(config: Config, frames: np.ndarray, folder: Path) -> None:
    """Write the ONNX files of ``CASES`` into a folder."""
    recognizer = prepare_for_inference(build(config), dtype=torch.float32, compile=False)
    program = export_program(FramesToScores(recognizer), torch.from_numpy(frames))
    for name, keep_conv3d in {"2d": False, "3d": True}.items():
        path = save_onnx(program, folder / f"{name}.onnx", {}, keep_conv3d)
        # Its speed does not depend on the ranges that it sees, so one video shows them.
        quantize(path, folder / f"{name}_int8.onnx", [dict(inputs=torch.from_numpy(frames[0]))])


def open_case(name: str, config: Config, folder: Path, shape: tuple[int, ...]) -> Scorer:
    """Return what maps frames (N, views, U, C, T, H, W) of this shape to scores and logits."""
    kind, details = CASES[name]
    if kind == "onnxruntime":
        return onnx_scorer(folder / details)
    if kind == "openvino":
        file, dtype = details.split()
        return openvino_scorer(folder / file, dtype, shape)
    recognizer = build(config)
    if kind == "fast":
        prepare_for_inference(recognizer, dtype=getattr(torch, details))
    return FramesToScores(recognizer).score


def openvino_scorer(path: Path, dtype: str, shape: tuple[int, ...]) -> Scorer:
    """Open an ONNX file in OpenVINO on the CPU for one shape, with as many threads as PyTorch."""
    import openvino  # not of the extra: no other tool uses it

    model = openvino.Core().read_model(path)
    model.reshape(shape)
    options = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[dtype],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = openvino.compile_model(model, "CPU", options).create_infer_request()

    def score(frames: np.ndarray) -> tuple[np.ndarray, ...]:
        found = request.infer({"frames": frames})
        return found["scores"], found["logits"]

    return score


_opened: tuple[Scorer, np.ndarray]  # of this process


def _open(name: str, config: Config, folder: Path, frames: np.ndarray) -> np.ndarray:
    global _opened
    _opened = open_case(name, config, folder, frames.shape), frames
    return _opened[0](frames)[1]


def _time_once() -> float:
    score, frames = _opened
    return timed(lambda: score(frames))


def compare(
    config: Config, shape: tuple[int, ...], rounds: int, only: Sequence[str] = ("",)
) -> str:
    """Time the cases whose name has one of these texts, in turns; return a table.

    ``shape`` is (N, U, T, H, W).
    """
    videos, units, length, *size = shape
    full = (videos, 1, units, 3, length, *size)
    frames = np.random.default_rng(0).integers(0, 256, full, np.uint8)
    names = [name for name in CASES if any(text in name for text in only)]
    if not find_spec("openvino"):
        names = [name for name in names if "OpenVINO" not in name]
        print("OpenVINO is not installed, and left out: pip install openvino", file=sys.stderr)
    if not names:
        raise ValueError(f"no row has one of {list(only)}; rows are {'; '.join(CASES)}")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_files(config, frames, Path(folder))
        processes = [
            stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"))) for _ in names
        ]
        logits = [
            process.submit(_open, name, config, Path(folder), frames).result()
            for name, process in zip(names, processes)
        ]
        candidates = [
            lambda process=process: process.submit(_time_once).result() for process in processes
        ]
        seconds = take_turns(candidates, rounds, warmup=2)
    exact = FramesToScores(build(config)).score(frames)[1]
    rows = [
        [
            name,
            f"{statistics.median(times):.3f} ({min(times):.3f} to {max(times):.3f})",
            f"{np.abs(found - exact).max() / np.abs(exact).max():.1e}",
            f"{time_ratio(seconds[0], times):.2f}",
        ]
        for name, times, found in zip(names, seconds, logits)
    ]
    packages = [p for p in ("torch", "onnxruntime", "openvino") if find_spec(p)]
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    cpu = getattr(torch.backends, "cpu", None)  # not in PyTorch 2.0
    instructions = cpu.get_cpu_capability() if cpu else "instructions unknown"
    header = [
        "runtime, convolutions, type",
        "seconds, median (range)",
        "logit error, relative",
        "speed to the first",
    ]
    return (
        f"{videos} x U{units} x T{length}, {size[0]}; {versions}, CPU ({instructions}), "
        f"{torch.get_num_threads()} threads.\n\n{markdown_table(header, rows)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="a config of this package")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--num-units", type=int, default=4)
    parser.add_argument("--clip-len", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[""], help="rows that have such a text")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={}, metavar="K=V")
    parser.add_argument("--markdown", nargs=2, metavar=("FILE", "SECTION"))
    args = parser.parse_args()
    try:
        config = Config.fromfile(args.config)
        config.merge_from_dict({"model.backbone.pretrained": None, **args.cfg_options})
        shape = (args.batch, args.num_units, args.clip_len, args.size, args.size)
        text = compare(config, shape, args.rounds, args.only)
        print(text)
        if args.markdown:
            write_section(args.markdown[0], args.markdown[1], text)
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
