"""Check a prepared dataset before a long run: `check(config)` reports what is wrong with it.

Builds the annotation list alone, with MMAction2's own dataset class, and reads from the config how
the list is to be read, where the media lie, how many classes the head has and how many frames the
sampler spans.
"""

import os
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import NamedTuple

from annotation_lists import Finding, ListFormat, read_list
from isolated import run_isolated
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from PIL import Image
from rich.console import Console
from rich.progress import track

from f4d_mmaction.datasets.unwrapping import known_names, unwrapped
from f4d_mmaction.datasets.video_reader import VideoReader, video_file
from mmaction.datasets import RawframeDataset, VideoDataset
from mmaction.registry import DATASETS
from mmaction.utils import get_str_type

LOST = {"error": "not decodable", "crashed": "crashes the decoder", "hung": "hangs the decoder"}
AGAIN = "what is learned by heart is no measure"
CHUNK_BYTES = 2**28  # decoded frames held at once
progress = partial(track, console=Console(stderr=True), disable=not sys.stderr.isatty())


class Video(NamedTuple):
    """A video file."""

    path: str

    def missing(self) -> tuple[str, str] | None:
        """Tell what a look at the folder says is wrong: (kind, message)."""
        if not os.path.isfile(self.path):
            return "missing", "no such file"
        return ("empty file", "0 bytes") if os.path.getsize(self.path) == 0 else None

    def decode(self) -> tuple[int, float]:
        """Decode every frame as training does; return (frames, frames per second).

        Raises:
            BadVideoError: the file cannot be used.
        """
        reader = VideoReader(self.path)
        step = max(1, CHUNK_BYTES // reader.read([0])[0].nbytes)
        for start in range(0, len(reader), step):
            reader.read(range(start, min(start + step, len(reader))))
        return len(reader), reader.average_fps


class Frames(NamedTuple):
    """A folder with frames `start` .. `start + total - 1`; `whole` if it holds no others."""

    path: str
    total: int
    start: int
    filename_tmpl: str
    whole: bool

    def names(self) -> list[str]:
        """The images that the list promises."""
        return [self.filename_tmpl.format(self.start + index) for index in range(self.total)]

    def missing(self) -> tuple[str, str] | None:
        """Tell what a look at the folder says is wrong: (kind, message)."""
        if not os.path.isdir(self.path):
            return "missing", "no such folder"
        present = set(os.listdir(self.path))
        holes = [name for name in self.names() if name not in present]
        if len(holes) == self.total:
            return "missing frames", f"none of {self.total}; is filename_tmpl {self.filename_tmpl}?"
        if holes:
            return "missing frames", f"{len(holes)} of {self.total}, first {holes[0]}"
        if self.whole and self.filename_tmpl.format(self.start + self.total) in present:
            return "wrong frame count", f"the list says {self.total}, the folder has more"
        return None

    def decode(self) -> tuple[int, None]:
        """Decode every image; return (frames, no rate).

        Pillow, because it refuses a truncated JPEG where OpenCV fills in gray.

        Raises:
            ValueError: an image cannot be decoded.
        """
        for name in self.names():
            path = os.path.join(self.path, name)
            try:
                with Image.open(path) as image:
                    image.load()
            except (OSError, SyntaxError) as error:
                size = os.path.getsize(path)
                raise ValueError(f"{name} ({size} bytes): {error}") from None
        return self.total, None


@dataclass
class SubsetReport:
    """Result of checking one subset: counts, lengths of the videos, findings."""

    subset: str
    ann_file: str
    sampler_span: int | None
    entries: int = 0
    decoded: int = 0
    frames: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True if no error was found."""
        return not any(finding.error for finding in self.findings)

    @property
    def shorter_than_span(self) -> int | None:
        """Number of measured videos with fewer frames than the sampler spans."""
        span = self.sampler_span
        return None if span is None else sum(frames < span for frames in self.frames)


def check(
    config: str | Path | Config,
    subsets: Sequence[str] | None = None,
    sample: int | None = 200,
    workers: int = 2,
    time_limit: float = 30.0,
) -> list[SubsetReport]:
    """Check the datasets of an MMEngine config, or of its path; by default all subsets it has.

    Decodes a `sample` of each subset, always the same one, or all videos, for at most `time_limit`
    seconds each.

    Raises:
        ValueError: the config has no such dataset.
        FileNotFoundError: no config or list there.
    """
    if not isinstance(config, Config):
        config = Config.fromfile(config)
    present = [name for name in ("train", "val", "test") if config.get(f"{name}_dataloader")]
    wanted = list(present if subsets is None else subsets)
    absent = [name for name in wanted if name not in present]
    if absent or not wanted:
        raise ValueError(
            f"the config has no {' or '.join(absent) or 'train, val or test'} dataloader; "
            f"it has {', '.join(present) or 'none'}"
        )
    num_classes = config.get("model", {}).get("cls_head", {}).get("num_classes")
    found, trained = [], set[Video | Frames]()
    for name in (name for name in present if name in wanted or name == "train"):
        for dataset_config in unwrapped(config[f"{name}_dataloader"]["dataset"]):
            try:
                dataset = build(dataset_config)
                span = sampler_span(dataset_config.get("pipeline") or ())
                report = SubsetReport(name, dataset.ann_file, span)
                entries = read_entries(dataset, num_classes, report)
            except Exception:  # what nobody asked to check need not be fit for it
                if name in wanted:
                    raise
                continue
            if name == "train":
                trained.update(entries)
            if name in wanted:  # else read for what the others share with it
                found.append((entries, report))
    outcomes: dict[Video | Frames, tuple] = {}  # many configs test on the list of val
    for entries, report in found:  # all lists are there: what follows may take hours
        media = look(entries, report)
        if report.subset != "train":  # not a list of val in test, which many configs have
            shared = [item.path for item in media if item in trained]
            report.findings += [Finding("also in train", path, AGAIN) for path in shared]
        if sample is not None:
            media = random.Random(0).sample(media, min(sample, len(media)))
        decode_all(media, workers, time_limit, report, outcomes)
    return [report for _, report in found]


def build(config: dict) -> BaseDataset:
    """Build MMAction2's dataset without its pipeline and without loading its list."""
    config = {**config, "pipeline": [], "lazy_init": True}
    if get_str_type(config["type"]) == "RepeatAugDataset":  # would look into its pipeline
        config["type"] = "VideoDataset"
        for key in ("num_repeats", "sample_once"):
            config.pop(key, None)
    dataset = DATASETS.build(config)
    if dataset.modality != "RGB":
        raise ValueError(f"only RGB datasets can be checked, this one is {dataset.modality}")
    if dataset.multi_class and dataset.num_classes is None:
        raise ValueError("a dataset with multi_class=True needs num_classes")
    if not os.path.isfile(dataset.ann_file):
        raise FileNotFoundError(
            f"no annotation list {dataset.ann_file}: make it with tools/data/prepare.py, "
            "or set ann_file in the config"
        )
    return dataset


def sampler_span(pipeline: Sequence[dict]) -> int | None:
    """U * T * interval of the config's sampler; None where there is no sampler of that kind."""
    counts = {"SampleActionUnits": "num_units", "SampleFrames": "num_clips"}
    for step in pipeline:
        if count := counts.get(get_str_type(step["type"])):
            return step.get(count, 1) * step["clip_len"] * step.get("frame_interval", 1)
    return None


def read_entries(
    dataset: BaseDataset, num_classes: int | None, report: SubsetReport
) -> list[Video | Frames]:
    """What MMAction2 makes of the list; of one in its own formats, of the good lines."""
    rawframes = type(dataset).load_data_list is RawframeDataset.load_data_list
    with tempfile.TemporaryDirectory() as folder:
        if rawframes or type(dataset).load_data_list is VideoDataset.load_data_list:
            form = ListFormat(
                rawframes=rawframes,
                delimiter=getattr(dataset, "delimiter", " "),
                with_offset=getattr(dataset, "with_offset", False),
                multi_class=dataset.multi_class,
                num_classes=num_classes,
            )
            lines, report.findings = read_list(dataset.ann_file, form)
            dataset.ann_file = os.path.join(folder, "good_lines.txt")
            text = "".join(f"{line}\n" for line in lines)
            Path(dataset.ann_file).write_text(text, encoding="utf-8", newline="\n")
        items = dataset.load_data_list()
    names = len(known_names(dataset.metainfo) or ())
    if isinstance(missing := dataset.metainfo.get("classes"), str):
        report.findings.append(Finding("number of classes", report.ann_file, f"no file {missing}"))
    if names and num_classes not in (None, names):
        told = f"{names} names of classes, the config's head tells {num_classes} apart"
        report.findings.append(Finding("number of classes", report.ann_file, told))
    report.entries = len(items)
    if not items:
        report.findings.append(Finding("empty list", report.ann_file, "holds no usable line"))
    return [
        Frames(
            item["frame_dir"],
            item["total_frames"],
            dataset.start_index + item.get("offset", 0),
            dataset.filename_tmpl,
            not dataset.with_offset,
        )
        if "frame_dir" in item
        else Video(video_file(item["filename"]))
        for item in items
    ]


def look(media: list[Video | Frames], report: SubsetReport) -> list[Video | Frames]:
    """Compare the list with the folders; return what is there."""
    present = []
    for item in progress(media, f"{report.subset}: files", len(media)):
        if isinstance(item, Frames):
            report.frames.append(item.total)
        if problem := item.missing():
            report.findings.append(Finding(problem[0], item.path, problem[1]))
        else:
            present.append(item)
    return present


def decode_all(
    media: list[Video | Frames],
    workers: int,
    time_limit: float,
    report: SubsetReport,
    outcomes: dict[Video | Frames, tuple],
) -> None:
    """Decode what no earlier list had, keep its outcome, and report those of all media."""
    new = [item for item in media if item not in outcomes]
    decoded = run_isolated(methodcaller("decode"), new, workers, time_limit)
    shown = progress(decoded, f"{report.subset}: decoding", len(new))
    outcomes.update({item: outcome for outcome, item in zip(shown, new)})
    for item in media:
        kind, value = outcomes[item]
        if kind != "value":
            report.findings.append(Finding(LOST[kind], item.path, value))
            continue
        report.decoded += 1
        frames, rate = value
        if isinstance(item, Video):
            report.frames.append(frames)
        if rate:
            report.seconds.append(frames / rate)
