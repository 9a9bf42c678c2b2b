"""What becomes of damaged video files: mutate real ones, read them, sort the outcomes."""

from __future__ import annotations

import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from encoding import write_texture

from f4d_mmaction.analysis.report import markdown_table
from f4d_mmaction.datasets.isolated import run_isolated
from f4d_mmaction.datasets.transforms import DecodeRawUnits, VideoReader
from f4d_mmaction.datasets.video_errors import BadVideoError

# container: (encoder, pixel format, further arguments)
SEEDS = {
    "h264.mp4": ("libx264", "yuv420p", {"options": {"bf": "2"}, "gop": 12}),
    "mpeg4.mp4": ("mpeg4", "yuv420p", {"gop": 12}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {"gop": 12, "options": {"bf": "2"}}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {"options": {"deadline": "realtime"}}),
    "vp8.webm": ("libvpx", "yuv420p", {"options": {"deadline": "realtime"}}),
}
FRAMES = 24
SIZE = (96, 64)


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage a file in one of the ways that files get damaged, or that attackers try."""
    mutant = bytearray(data)
    kind = rng.choice(["cut", "bits", "header", "zeros", "drop", "insert", "number"])
    start = int(rng.integers(len(mutant)))
    length = int(min(2 ** rng.uniform(0, 12), len(mutant) - start))
    if kind == "cut":
        del mutant[start:]
    elif kind in ("bits", "header"):
        end = len(mutant) if kind == "bits" else min(512, len(mutant))
        for place in rng.integers(end, size=rng.integers(1, 20)):
            mutant[place] ^= 1 << int(rng.integers(8))
    elif kind == "zeros":
        mutant[start : start + length] = bytes(length)
    elif kind == "drop":
        del mutant[start : start + length]
    elif kind == "insert":
        mutant[start:start] = rng.bytes(length)
    else:  # sizes and counts that are extreme
        extreme = rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
        mutant[start : start + 4] = int(extreme).to_bytes(4, rng.choice(["big", "little"]))
    return bytes(mutant)


def read_frames(path: Path) -> list[np.ndarray]:
    """Read all frames of a video, or one picture, as training does."""
    if path.suffix == ".jpg":
        info = {"frame_dir": str(path.parent), "filename_tmpl": path.name, "frame_inds": [0]}
        return DecodeRawUnits()({**info, "modality": "RGB"})["imgs"]
    reader = VideoReader(str(path), time_limit=30)
    try:
        return reader.read(np.arange(len(reader)))
    finally:
        reader.close()


def try_mutant(seeds: Path, item: tuple[str, int]) -> str:
    """Mutate seed file ``item[0]`` by random seed ``item[1]``, read it, and name the outcome.

    Returns:
        A kind of bad video, or ``'frames as before'``, ``'first frames only'`` (each as before),
        ``'frames out of place'`` (one was lost that was not missed), ``'other frames'`` (damage
        that was not noticed), or ``'error: ...'``.
    """
    name, number = item
    original = (seeds / name).read_bytes()
    data = mutate(original, np.random.default_rng([number, len(original)]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            frames = read_frames(path)
        except BadVideoError as error:
            return error.kind.value
        except Exception as error:
            return f"error: {type(error).__name__}"
    truth = np.load(seeds / f"{name}.npy")
    count = min(len(truth), len(frames))
    same = all(np.array_equal(*pair) for pair in zip(frames, truth))
    if not same or len(frames) > len(truth):
        places = {frame.tobytes(): place for place, frame in enumerate(truth)}
        moved = any(places.get(f.tobytes(), place) != place for place, f in enumerate(frames))
        return "frames out of place" if moved else "other frames"
    return "frames as before" if count == len(truth) else "first frames only"


def write_seeds(folder: Path) -> list[str]:
    """Write one sound file per container, and its frames beside it; return the names."""
    for name, (codec, pixel_format, options) in SEEDS.items():
        write_texture(folder / name, FRAMES, SIZE, codec, pixel_format, **options)
        np.save(folder / f"{name}.npy", read_frames(folder / name))
    picture = np.load(folder / "mjpeg.avi.npy")[0]
    cv2.imwrite(str(folder / "00001.jpg"), picture)
    np.save(folder / "00001.jpg.npy", read_frames(folder / "00001.jpg"))
    return [*SEEDS, "00001.jpg"]


def fuzz(
    mutants: int, seed: int = 0, workers: int = 2, time_limit: float = 60.0
) -> dict[str, Counter[str]]:
    """Read mutated files in other processes and count the outcomes by container.

    Args:
        mutants: Number of mutated files, dealt out to the containers in turn.
        seed: Of the mutations.
        workers: Number of processes.
        time_limit: Seconds after which a file counts as ``'hung'``.

    Returns:
        For every container, outcomes of ``try_mutant``, and ``'crashed'`` and ``'hung'``.
    """
    with tempfile.TemporaryDirectory() as folder:
        names = write_seeds(Path(folder))
        items = [(names[i % len(names)], seed * mutants + i) for i in range(mutants)]
        counts: dict[str, Counter[str]] = {name: Counter() for name in names}
        run = partial(try_mutant, Path(folder))
        for outcome in run_isolated(run, items, workers, time_limit):
            known = outcome.kind in ("crashed", "hung")
            counts[items[outcome.index][0]][outcome.kind if known else str(outcome.value)] += 1
    return counts


def to_markdown(counts: dict[str, Counter[str]]) -> str:
    """Format the counts of ``fuzz``: a row per outcome, a column per container."""
    outcomes = sorted({outcome for counter in counts.values() for outcome in counter})
    rows = []
    for outcome in outcomes:
        row = [counter[outcome] for counter in counts.values()]
        rows.append([outcome, *row, sum(row)])
    return markdown_table(["outcome", *counts, "all"], rows)
