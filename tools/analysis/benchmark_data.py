"""How fast videos are loaded, stage by stage, beside MMAction2's stock pipeline."""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from mmaction.registry import DATASETS, TRANSFORMS
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope

from f4d_mmaction.analysis.report import write_section
from f4d_mmaction.visualization import write_video

STOCK = {
    "InitVideo": {"type": "DecordInit", "num_threads": 1},
    "DecodeUnits": {"type": "DecordDecode"},
    "DecodeRawUnits": {"type": "RawFrameDecode"},
    "FormatActionUnits": {"type": "FormatShape", "input_format": "NCTHW"},
}
OURS = {
    "DecordInit": {"type": "InitVideo"},
    "DecordDecode": {"type": "DecodeUnits"},
    "RawFrameDecode": {"type": "DecodeRawUnits"},
    "FormatShape": {"type": "FormatActionUnits"},
}


def drifting_texture(frames: int, size: tuple[int, int], seed: int = 0) -> Iterator[np.ndarray]:
    """Yield frames (H, W, 3) of a textured picture that drifts, so that no two are alike.

    Args:
        frames: Number of frames.
        size: (width, height) in pixels.
        seed: Of the texture.
    """
    width, height = size
    noise = np.random.default_rng(seed).integers(0, 256, (height * 2, width * 2, 3), np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    for index in range(frames):
        top, left = index % height, 2 * index % width
        yield texture[top : top + height, left : left + width]


def replace_stages(pipeline: Sequence[dict], stages: dict[str, dict]) -> list[dict]:
    """Return ``pipeline`` with the transforms named in ``stages`` replaced."""
    return [copy.deepcopy(stages.get(step["type"], step)) for step in pipeline]


def measure(
    pipelines: dict[str, Sequence[dict]], samples: Sequence[dict], repeats: int
) -> dict[str, dict[str, list[float]]]:
    """Time pipelines on the same samples in turn (A B A B ...), in one process.

    Args:
        pipelines: Transform configs by name.
        samples: Data infos as a dataset hands them to its pipeline.
        repeats: Passes over all samples, after one that is not counted.

    Returns:
        Milliseconds per video by pipeline and stage, one number per pass; the last two stages are
        ``total`` and ``total, CPU``.
    """
    built = {
        name: [(step["type"], TRANSFORMS.build(copy.deepcopy(step))) for step in pipeline]
        for name, pipeline in pipelines.items()
    }
    times: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in built}
    for repeat in range(repeats + 1):
        for name, stages in built.items():
            np.random.seed(repeat)  # both draw the same frames and crops
            spent = _one_pass(stages, samples)
            if repeat:
                for stage, milliseconds in spent.items():
                    times[name][stage].append(milliseconds)
    return {name: dict(stages) for name, stages in times.items()}


def _one_pass(stages: list[tuple[str, object]], samples: Sequence[dict]) -> dict[str, float]:
    spent: dict[str, float] = defaultdict(float)
    cpu = time.process_time()  # of all threads: what a video costs where every core has a worker
    for sample in samples:
        results = copy.deepcopy(sample)
        for number, (stage, transform) in enumerate(stages):
            start = time.perf_counter()
            results = transform(results)
            spent[f"{number}. {stage}"] += time.perf_counter() - start
    spent["total"] = sum(spent.values())
    spent["total, CPU"] = time.process_time() - cpu
    return {stage: 1000 * seconds / len(samples) for stage, seconds in spent.items()}


def compare(
    config: Config | ConfigDict,
    frames: Sequence[int] | None = None,
    suffix: str = ".mp4",
    codec: str = "libx264",
    size: tuple[int, int] = (320, 240),
    videos: int = 8,
    repeats: int = 9,
    subset: str = "test",
) -> list[dict]:
    """Compare a config's loading pipeline with MMAction2's stock stages in its place.

    Args:
        config: Its ``{subset}_dataloader.dataset`` gives the pipeline and, unless ``frames`` is
            given, the videos.
        frames: Lengths of videos to be generated; one comparison for each.
        suffix: Container of generated videos.
        codec: Encoder of generated videos.
        size: (width, height) of generated videos.
        videos: Number of different videos.
        repeats: Interleaved passes.
        subset: ``'train'``, ``'val'`` or ``'test'``.

    Returns:
        One record per length: ``videos`` (what was read), ``stages`` (rows of medians and
        quartiles in ms), ``videos_per_second`` and ``ratio`` (ours to stock, of the medians).
    """
    dataset = config[f"{subset}_dataloader"]["dataset"]
    pipeline = [dict(step) for step in dataset["pipeline"]]
    pipelines = {
        "ours": replace_stages(pipeline, OURS),
        "stock": replace_stages(pipeline, STOCK),
    }
    cv2.setNumThreads(0)  # as MMEngine sets it for workers
    if not frames:
        data = DATASETS.build(dataset)
        samples = [data.get_data_info(index) for index in range(min(videos, len(data)))]
        return [_record(f"{len(samples)} of {dataset['ann_file']}", pipelines, samples, repeats)]
    for name in pipelines:  # generated videos are files, whatever the config reads
        pipelines[name] = _from_files(pipelines[name], name)
    records = []
    for length in frames:
        with tempfile.TemporaryDirectory() as folder:
            samples = []
            for index in range(videos):
                path = Path(folder) / f"{index}{suffix}"
                write_video(path, drifting_texture(length, size, index), 25, codec, options={})
                samples.append(
                    {"filename": str(path), "label": 0, "start_index": 0, "modality": "RGB"}
                )
            title = f"{videos} of {length} frames, {size[0]} x {size[1]}, {codec} in {suffix[1:]}"
            records.append(_record(title, pipelines, samples, repeats) | {"frames": length})
    return records


def _from_files(pipeline: list[dict], name: str) -> list[dict]:
    first, decode = ("InitVideo", "DecodeUnits")
    if name == "stock":
        first, decode = ("DecordInit", "DecordDecode")
    raw = {"DecodeRawUnits": {"type": decode}, "RawFrameDecode": {"type": decode}}
    pipeline = replace_stages(pipeline, raw)
    opened = any(step["type"] == first for step in pipeline)
    opener = STOCK["InitVideo"] if name == "stock" else {"type": first}
    return pipeline if opened else [opener, *pipeline]


def _record(
    title: str, pipelines: dict[str, list[dict]], samples: list[dict], repeats: int
) -> dict:
    times = measure(pipelines, samples, repeats)
    rows = [
        {name: _summary(times[name][stage]) | {"stage": stage} for name, stage in zip(times, pair)}
        for pair in zip(*(times[name] for name in times))
    ]
    totals = {name: statistics.median(times[name]["total"]) for name in times}
    return {
        "videos": title,
        "stages": rows,
        "videos_per_second": {name: 1000 / total for name, total in totals.items()},
        "ratio": totals["stock"] / totals["ours"],
        "cpu_ratio": _ratio([times[name]["total, CPU"] for name in ("stock", "ours")]),
    }


def _ratio(values: Sequence[Sequence[float]]) -> float:
    return statistics.median(values[0]) / statistics.median(values[1])


def _summary(values: Sequence[float]) -> dict[str, float]:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"ms": float(middle), "ms_low": float(low), "ms_high": float(high)}


def to_markdown(records: Sequence[dict]) -> str:
    """Format the records of ``compare`` as tables; medians with quartiles in brackets."""
    lines = []
    for record in records:
        lines += [
            f"### {record['videos']}",
            "",
            "| ours | ms per video | stock | ms per video | stock / ours |",
            "|---|---|---|---|---|",
        ]
        for row in record["stages"]:
            cells = [
                f"{row[name]['stage']} | {row[name]['ms']:.1f} "
                f"({row[name]['ms_low']:.1f} to {row[name]['ms_high']:.1f})"
                for name in ("ours", "stock")
            ]
            ratio = row["stock"]["ms"] / row["ours"]["ms"]
            lines.append(f"| {cells[0]} | {cells[1]} | {ratio:.2f} |")
        speed = record["videos_per_second"]
        lines += [
            "",
            f"{speed['ours']:.1f} videos/s against {speed['stock']:.1f}: "
            f"ratio {record['ratio']:.2f} ({record['cpu_ratio']:.2f} in CPU time)",
            "",
        ]
    return "\n".join(lines)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--subset", default="test", choices=["train", "val", "test"])
    parser.add_argument(
        "--frames", type=int, nargs="+", help="generate videos of these lengths; default: the data"
    )
    parser.add_argument("--suffix", default=".mp4", help="container of generated videos")
    parser.add_argument("--codec", default="libx264", help="encoder of generated videos")
    parser.add_argument("--size", type=int, nargs=2, default=[320, 240], metavar=("W", "H"))
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, help="also write the records here")
    parser.add_argument("--markdown", nargs=2, metavar=("FILE", "SECTION"))
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    config = Config.fromfile(args.config)
    init_default_scope(config.get("default_scope", "mmaction"))
    records = compare(
        config,
        frames=args.frames,
        suffix=args.suffix,
        codec=args.codec,
        size=tuple(args.size),
        videos=args.videos,
        repeats=args.repeats,
        subset=args.subset,
    )
    text = to_markdown(records)
    print(text)
    if args.markdown:
        write_section(*args.markdown, text)
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
