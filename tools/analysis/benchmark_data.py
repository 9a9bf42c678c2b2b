"""Compare a config's loading pipeline with MMAction2's stock stages, in one process, by stage."""

import argparse
import copy
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from f4d_mmaction.analysis.report import markdown_table, write_section
from f4d_mmaction.analysis.timing import take_turns, timed
from f4d_mmaction.datasets.unwrapping import unwrapped
from f4d_mmaction.visualization import write_video
from mmaction.registry import DATASETS, TRANSFORMS

STOCK: dict[str, dict] = {
    "InitVideo": {"type": "DecordInit", "num_threads": 1},
    "DecodeUnits": {"type": "DecordDecode"},
    "DecodeRawUnits": {"type": "RawFrameDecode"},
    "FormatActionUnits": {"type": "FormatShape", "input_format": "NCTHW"},
}
OURS = {stage["type"]: {"type": ours} for ours, stage in STOCK.items()}
SIZE = (320, 240)  # (width, height) of generated videos
CPU = "total, CPU"  # of all threads: what a video costs where every core has a worker


@dataclass
class Comparison:
    """Milliseconds a video by stage, one number for each pass, of both pipelines.

    The last two stages are ``total`` and ``total, CPU``.
    """

    videos: str
    ours: dict[str, list[float]]
    stock: dict[str, list[float]]

    def ratio(self, stage: str = "total") -> float:
        """Videos a second of ours to the stock pipeline's."""
        return statistics.median(self.stock[stage]) / statistics.median(self.ours[stage])

    def to_markdown(self) -> str:
        """Return a table of the stages; medians with quartiles in brackets."""
        rows = []
        for (mine, times), (other, others) in zip(self.ours.items(), self.stock.items()):
            ratio = statistics.median(others) / statistics.median(times)
            rows.append([mine, _quartiles(times), other, _quartiles(others), f"{ratio:.2f}"])
        header = ["ours", "ms per video", "stock", "ms per video", "stock / ours"]
        speeds = [1000 / statistics.median(times["total"]) for times in (self.ours, self.stock)]
        return (
            f"### {self.videos}\n\n{markdown_table(header, rows)}\n\n"
            f"{speeds[0]:.1f} videos/s against {speeds[1]:.1f}: "
            f"ratio {self.ratio():.2f} ({self.ratio(CPU):.2f} in CPU time)\n"
        )


def _quartiles(values: Sequence[float]) -> str:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def drifting_texture(frames: int, size: tuple[int, int], seed: int = 0) -> Iterator[np.ndarray]:
    """Yield frames (H, W, 3) of a textured picture that drifts, so that no two are alike."""
    width, height = size
    noise = np.random.default_rng(seed).integers(0, 256, (height * 2, width * 2, 3), np.uint8)
    noise = cv2.GaussianBlur(noise, (0, 0), 3)
    texture = cv2.normalize(noise, noise, 0, 255, cv2.NORM_MINMAX)
    for index in range(frames):
        top, left = index % height, 2 * index % width
        yield texture[top : top + height, left : left + width]


def replace_stages(pipeline: Sequence[dict], stages: dict[str, dict]) -> list[dict]:
    """Return ``pipeline`` with the transforms named in ``stages`` replaced."""
    return [copy.deepcopy(stages.get(step["type"], step)) for step in pipeline]


def compare(
    config: Config | ConfigDict,
    frames: Sequence[int] | None = None,
    videos: int = 8,
    repeats: int = 9,
    subset: str = "test",
) -> list[Comparison]:
    """Compare a subset's loading pipeline with MMAction2's stock stages in its place.

    On so many ``videos`` of the subset, or of H.264 generated at each length of ``frames``;
    ``repeats`` passes over all of them, in turns, after one that is not counted.
    """
    dataset = next(unwrapped(config[f"{subset}_dataloader"]["dataset"]))
    pipelines = [replace_stages(dataset["pipeline"], stages) for stages in (OURS, STOCK)]
    cv2.setNumThreads(0)  # as MMEngine sets it for workers
    if not frames:
        data = DATASETS.build(dataset)
        samples = [data.get_data_info(index) for index in range(min(videos, len(data)))]
        title = f"{len(samples)} of {dataset['ann_file']}"
        return [Comparison(title, *time_stages(pipelines, samples, repeats))]
    openers = (dict(type="InitVideo"), STOCK["InitVideo"])
    decoders = (dict(type="DecodeUnits"), STOCK["DecodeUnits"])
    pipelines = [_of_files(*parts) for parts in zip(pipelines, openers, decoders)]
    comparisons = []
    for length in frames:
        title = f"{videos} of {length} frames, {SIZE[0]} x {SIZE[1]}, libx264 in mp4"
        with tempfile.TemporaryDirectory() as folder:
            samples = [generated(folder, length, seed) for seed in range(videos)]
            comparisons.append(Comparison(title, *time_stages(pipelines, samples, repeats)))
    return comparisons


def generated(folder: str, frames: int, seed: int = 0) -> dict:
    """Write a video; return it as a dataset lists it."""
    path = Path(folder, f"{seed}.mp4")
    write_video(path, drifting_texture(frames, SIZE, seed), 25, options={})
    return dict(filename=str(path), label=0, start_index=0, modality="RGB")


def _of_files(pipeline: list[dict], opener: dict, decoder: dict) -> list[dict]:
    """Have a pipeline read video files, whatever it reads."""
    raw = dict.fromkeys(("DecodeRawUnits", "RawFrameDecode"), decoder)
    opened = any(step["type"] == opener["type"] for step in pipeline)
    return ([] if opened else [opener]) + replace_stages(pipeline, raw)


def loader_speed(config: Config, workers: int, videos: int = 32, frames: int = 90) -> float:
    """Return the videos a second that a config's training loader gives with so many workers.

    ``videos``, for each worker, of so many ``frames`` are generated.
    """
    init_default_scope(config.get("default_scope", "mmaction"))
    pipeline = next(unwrapped(config.train_dataloader.dataset))["pipeline"]
    pipeline = _of_files(pipeline, dict(type="InitVideo"), dict(type="DecodeUnits"))
    with tempfile.TemporaryDirectory() as folder:
        samples = [generated(folder, frames)] * videos * workers
        loader: DataLoader = DataLoader(
            samples,  # type: ignore[arg-type]  # any sequence will do
            batch_size=8,
            num_workers=workers,
            collate_fn=partial(_load, Compose(pipeline)),
            persistent_workers=True,
        )
        _, seconds = (timed(lambda: deque(loader, 0)) for _ in range(2))  # workers start first
        return len(samples) / seconds


def _load(pipeline: Compose, samples: Sequence[dict]) -> dict:
    return pseudo_collate([pipeline(copy.deepcopy(sample)) for sample in samples])


def time_stages(
    pipelines: Sequence[Sequence[dict]], samples: Sequence[dict], repeats: int
) -> list[dict[str, list[float]]]:
    """Time pipelines on the same samples in turns; see :class:`Comparison` for what returns."""
    passes = take_turns([_pass(pipeline, samples) for pipeline in pipelines], repeats)
    return [{stage: [spent[stage] for spent in rounds] for stage in rounds[0]} for rounds in passes]


def _pass(pipeline: Sequence[dict], samples: Sequence[dict]) -> Callable[[], dict[str, float]]:
    """Return what runs all samples through a pipeline and gives milliseconds a video by stage."""
    stages = [
        (f"{number}. {step['type']}", TRANSFORMS.build(copy.deepcopy(step)))
        for number, step in enumerate(pipeline)
    ]
    seeds = count()

    def run() -> dict[str, float]:
        np.random.seed(next(seeds))  # both pipelines draw the same frames and crops
        spent = dict.fromkeys((name for name, _ in stages), 0.0)
        cpu = time.process_time()
        for sample in samples:
            results = copy.deepcopy(sample)
            for name, transform in stages:
                start = time.perf_counter()
                results = transform(results)
                spent[name] += time.perf_counter() - start
        spent |= {"total": sum(spent.values()), CPU: time.process_time() - cpu}
        return {stage: 1000 * seconds / len(samples) for stage, seconds in spent.items()}

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--subset", default="test", choices=["train", "val", "test"])
    parser.add_argument(
        "--frames", type=int, nargs="+", help="generate videos of these lengths; default: the data"
    )
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--markdown", nargs=2, metavar=("FILE", "SECTION"))
    options = vars(parser.parse_args())
    path, document = options.pop("config"), options.pop("markdown")
    if not Path(path).is_file():
        parser.error(f"config {path} does not exist; configs lie under configs/")
    config = Config.fromfile(path)
    init_default_scope(config.get("default_scope", "mmaction"))
    try:
        text = "\n".join(comparison.to_markdown() for comparison in compare(config, **options))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(text)
    if document:
        write_section(document[0], document[1], text)


if __name__ == "__main__":
    main()
