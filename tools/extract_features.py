"""Write the features of a video, the videos of a folder, or those of a list or annotation file.

OUT is a folder, for one .npy file a video and `index.jsonl`, or a .h5 file, with its index beside
it. A second run goes on where the first one stopped, and takes again what was bad or has changed.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from rich.progress import Progress, TimeElapsedColumn

from arguments import count
from f4d_mmaction.apis import Features, extract_features, list_videos, load_recognizer
from f4d_mmaction.engine.checkpoints import AtomicBackend
from f4d_mmaction.json_lines import read_json_lines
from folder.finding import printable, stamp
from locking import lock

CHUNK = 4  # batches handed to a process at once
HDF5 = (".h5", ".hdf5")
LONGEST = 200  # bytes of a video's name in that of its features; file systems allow 255 in all
_network: list = []  # of this process: what it is made of


def sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


def start(devices: multiprocessing.Queue, threads: int, config: str, checkpoint: str) -> None:
    """Prepare a process; its first task loads the network, as an error here would be lost."""
    torch.set_num_threads(threads)
    _network[:] = config, checkpoint, devices.get()


@cache
def network() -> BaseModel:
    return load_recognizer(*_network)


def work(task: tuple[list[str], str, int]) -> list[Features]:
    return list(extract_features(network(), *task))


@contextmanager
def workers(processes: int, device: str | None, config: str, checkpoint: str) -> Iterator[Callable]:
    """Give what applies :func:`work` to tasks in order: here, or in so many processes."""
    context = multiprocessing.get_context("spawn")
    devices = context.Queue()
    for number in range(processes):
        gpus = torch.cuda.device_count()
        devices.put(device or (f"cuda:{number % gpus}" if gpus else "cpu"))
    threads = max(torch.get_num_threads() // processes, 1)
    arguments = devices, threads, config, checkpoint
    if processes == 1:
        start(*arguments)
        yield map
    else:
        with ProcessPoolExecutor(processes, context, start, arguments) as pool:
            yield pool.map


@contextmanager
def writer(out: Path) -> Iterator[Callable[[str, np.ndarray], None]]:
    """Give what writes one array under a name into a folder or an HDF5 file."""
    if out.suffix not in HDF5:
        yield lambda name, values: np.save(out / name, values)
        return
    import h5py

    with h5py.File(out, "a") as file:

        def write(name: str, values: np.ndarray) -> None:
            if name in file:  # of a run that ended before its line in the index
                del file[name]
            file[name] = values
            file.flush()

        yield write


def finished(index: Path, settings: dict, out: Path) -> set[str]:
    """Absolute paths of videos whose features are in ``out``; the index then holds no others.

    Raises:
        ValueError: it is of another network or of other features.
    """

    def is_done(entry: dict) -> bool:
        before, now = entry.get("stamp"), stamp(entry["path"])
        if "features" not in entry or (before and now and before != now):
            return False
        return (out if out.suffix in HDF5 else out / entry["features"]).exists()

    done = [entry for entry in read_json_lines(index) if is_done(entry)]
    for entry in done:
        if {key: entry.get(key) for key in settings} != settings:
            raise ValueError(f"{index} is of {entry}, not of {settings}; choose another --out")
    AtomicBackend().put("".join(json.dumps(entry) + "\n" for entry in done).encode(), index)
    return {entry["path"] for entry in done}


def extract(videos: Sequence[str], args: argparse.Namespace) -> int:
    """Write the features of all videos that are not done; return how many are bad."""
    out, bad = Path(args.out), 0
    one_file = out.suffix in HDF5
    (out.parent if one_file else out).mkdir(parents=True, exist_ok=True)
    index = out.with_suffix(".jsonl") if one_file else out / "index.jsonl"
    config = sha1(Config.fromfile(args.config).pretty_text.encode())
    checkpoint, weights = args.checkpoint, ""
    if "://" not in checkpoint:
        checkpoint, weights = os.path.abspath(checkpoint), sha1(Path(checkpoint).read_bytes())
    settings = dict(of=args.of, checkpoint=checkpoint, weights=weights, config=config)
    lock(index.with_suffix(".lock"))
    done = finished(index, settings, out)
    todo = [video for video in videos if os.path.abspath(video) not in done]
    stamps = {os.path.abspath(video): stamp(video) for video in todo}
    step = args.batch * CHUNK
    tasks = [(todo[i : i + step], args.of, args.batch) for i in range(0, len(todo), step)]
    with (
        open(index, "a", encoding="utf-8") as lines,
        writer(out) as write,
        workers(args.processes, args.device, args.config, args.checkpoint) as apply,
        Progress(*Progress.get_default_columns(), TimeElapsedColumn()) as progress,
    ):
        bar = progress.add_task("Videos", total=len(videos), completed=len(videos) - len(todo))
        for features in (each for chunk in apply(work, tasks) for each in chunk):
            entry = dict(path=os.path.abspath(features.path))
            if features.error:
                bad += 1
                said = f"BAD {printable(features.error)}"
                progress.console.print(said, markup=False, highlight=False)
                entry.update(kind=features.kind, error=features.error)
            else:
                # Files of one name in several folders stay apart.
                mark = sha1(os.fsencode(entry["path"]))[:10]
                stem = printable(Path(features.path).stem).encode()[:LONGEST]
                name = f"{stem.decode(errors='ignore')}_{mark}" + ("" if one_file else ".npy")
                write(name, features.values)
                entry.update(features=name, shape=features.values.shape, **settings)
                entry.update(stamp=stamps[entry["path"]])
            lines.write(json.dumps(entry) + "\n")
            lines.flush()
            progress.advance(bar)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", metavar="VIDEO|FOLDER|LIST.txt")
    parser.add_argument("--config", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--out", required=True, help="folder, or FILE.h5 (needs h5py)")
    parser.add_argument(
        "--of", default="video", help="'video', 'unit', or a stage, such as layer3, for its maps"
    )
    parser.add_argument("--batch", type=count, default=8, help="videos in one forward pass")
    parser.add_argument("--processes", type=count, default=1, help="spread over the GPUs, if any")
    parser.add_argument("--device", help="for all processes; by default every GPU, else cpu")
    args = parser.parse_args()
    if "://" not in args.checkpoint and not Path(args.checkpoint).is_file():
        parser.error(f"checkpoint {args.checkpoint} does not exist")  # once, not in each process
    try:
        videos = list_videos(args.source)
        bad = extract(videos, args)
    except (OSError, ImportError, ValueError) as error:
        parser.error(str(error))
    if bad:
        print(f"{bad} of {len(videos)} videos could not be used", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
