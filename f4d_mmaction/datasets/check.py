"""Look at a prepared dataset before a long run: `check(config)` says what is wrong with it.

Builds nothing but the annotation list, with MMAction2's own dataset class, and reads from the
config how the list is to be read, where the media lie, how many classes the head has and how many
frames the sampler spans.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.utils import ProgressBar

from .annotation_lists import Entry, Finding, ListFormat, read_list
from .dataset_facts import recognise_list
from .isolated import run_isolated
from .probing import probe_frames, probe_video

__all__ = ["CheckReport", "Media", "SubsetReport", "check"]

SHOWN = 5


@dataclass(frozen=True)
class Media:
    """One entry on disk: a video file, or a folder with frames `start` .. `start + frames - 1`."""

    path: str
    frames: int | None = None
    start: int = 0
    filename_tmpl: str | None = None
    whole_folder: bool = True

    def frame_paths(self) -> list[str]:
        """The images that the list promises."""
        indices = range(self.start, self.start + self.frames)
        return [os.path.join(self.path, self.filename_tmpl.format(index)) for index in indices]


@dataclass
class SubsetReport:
    """What was seen of one subset: counts, findings by kind, lengths of the videos."""

    subset: str
    ann_file: str
    entries: int = 0
    published: int | None = None
    decoded: int = 0
    span: int | None = None
    frames: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def shorter_than_span(self) -> int | None:
        """How many of the measured videos have fewer frames than the sampler spans."""
        return None if self.span is None else sum(frames < self.span for frames in self.frames)

    def kinds(self) -> dict[str, list[Finding]]:
        """Findings by kind, errors first."""
        kinds: dict[str, list[Finding]] = {}
        for finding in sorted(self.findings, key=lambda finding: not finding.error):
            kinds.setdefault(finding.kind, []).append(finding)
        return kinds

    def as_dict(self) -> dict[str, Any]:
        """Plain data for report.json."""
        return {
            "subset": self.subset,
            "ann_file": self.ann_file,
            "entries": self.entries,
            "published": self.published,
            "decoded": self.decoded,
            "frames": _statistics(self.frames),
            "seconds": _statistics(self.seconds),
            "sampler_span": self.span,
            "shorter_than_span": self.shorter_than_span,
            "findings": [vars(finding) for finding in self.findings],
        }

    def lines(self) -> Iterator[str]:
        """The subset's part of the summary."""
        published = "" if self.published is None else f" (published: {self.published:,})"
        yield f"{self.subset}: {self.entries:,} videos{published} in {self.ann_file}"
        for unit, values in (("frames", self.frames), ("seconds", self.seconds)):
            if values:
                numbers = _statistics(values)
                shown = ", ".join(f"{name} {value:g}" for name, value in numbers.items())
                yield f"  {unit}: {shown}"
        if self.span is not None and self.frames:
            yield (
                f"  shorter than the sampler's span of {self.span} frames: "
                f"{self.shorter_than_span:,} of {len(self.frames):,} measured"
            )
        yield f"  decoded: {self.decoded:,} of {self.entries:,}"
        for kind, findings in self.kinds().items():
            word = "ERROR" if findings[0].error else "warning"
            yield f"  {word} {kind}: {len(findings)}"
            yield from (f"    {finding.where}: {finding.message}" for finding in findings[:SHOWN])
            if len(findings) > SHOWN:
                yield f"    ... and {len(findings) - SHOWN} more in report.json"


@dataclass(frozen=True)
class CheckReport:
    """The whole check; `ok` unless some subset has an error."""

    config: str
    subsets: Sequence[SubsetReport]

    @property
    def ok(self) -> bool:
        """True where nothing was found that would harm a run."""
        return not any(finding.error for subset in self.subsets for finding in subset.findings)

    @property
    def text(self) -> str:
        """The summary for a terminal."""
        verdict = "fine" if self.ok else "problems found"
        lines = [line for subset in self.subsets for line in subset.lines()]
        return "\n".join([self.config, *lines, f"verdict: {verdict}"])

    def write(self, folder: str | Path) -> None:
        """Write report.json and durations.png into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        subsets = [subset.as_dict() for subset in self.subsets]
        content = {"config": self.config, "ok": self.ok, "subsets": subsets}
        (folder / "report.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        _draw(self.subsets, folder / "durations.png")


def check(
    config: str | Path | Config,
    subsets: Sequence[str] | None = None,
    sample: int | None = 200,
    workers: int = 2,
    time_limit: float = 30.0,
    seed: int = 0,
) -> CheckReport:
    """Check the datasets of an MMEngine config.

    Args:
        config: The config or its path.
        subsets: Some of train, val and test; default all that the config has.
        sample: How many videos of each subset to decode, drawn with `seed`; None for all.
        workers: Processes that decode.
        time_limit: Seconds one video may take to decode.

    Raises:
        ValueError: the config has no such dataset. FileNotFoundError: no config or list there.
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
    model = config.get("model") or {}
    num_classes = (model.get("cls_head") or {}).get("num_classes")
    reports = [
        _check_dataset(name, dataset, num_classes, sample, workers, time_limit, seed)
        for name in wanted
        for dataset in _unwrapped(config[f"{name}_dataloader"]["dataset"])
    ]
    return CheckReport(str(config.filename or "config"), reports)


def _unwrapped(dataset: dict) -> Iterator[dict]:
    """The datasets inside RepeatDataset, ClassBalancedDataset, ConcatDataset and the like."""
    if "dataset" in dataset:
        yield from _unwrapped(dataset["dataset"])
    elif "datasets" in dataset:
        for part in dataset["datasets"]:
            yield from _unwrapped(part)
    else:
        yield dataset


def _check_dataset(
    subset: str,
    config: dict,
    num_classes: int | None,
    sample: int | None,
    workers: int,
    time_limit: float,
    seed: int,
) -> SubsetReport:
    dataset = _build(config)
    report = SubsetReport(subset, str(dataset.ann_file), span=_sampler_span(config))
    media = _read_entries(dataset, num_classes, report)
    report.entries = len(media)
    _compare_with_published(report)

    whole = []
    for item in _progress(media, f"{subset}: files"):
        problem = _look(item)
        if problem is None:
            whole.append(item)
        else:
            report.findings.append(Finding(problem[0], item.path, problem[1]))
    report.frames = [item.frames for item in media if item.frames is not None]
    chosen = whole if sample is None else random.Random(seed).sample(whole, min(sample, len(whole)))
    _decode(chosen, workers, time_limit, report)
    return report


def _build(config: dict) -> Any:
    """The host's dataset without its pipeline, its list not yet loaded."""
    import mmaction.datasets  # noqa: F401  (registers)
    from mmaction.registry import DATASETS

    arguments = {key: value for key, value in config.items() if key != "pipeline"}
    dataset = DATASETS.build(dict(arguments, pipeline=[], lazy_init=True))
    if dataset.modality != "RGB":
        raise ValueError(f"only RGB datasets can be checked, this one is {dataset.modality}")
    if not os.path.isfile(dataset.ann_file):
        raise FileNotFoundError(
            f"no annotation list {dataset.ann_file}: make it with tools/data/prepare.py, "
            "or set ann_file in the config"
        )
    return dataset


def _sampler_span(config: dict) -> int | None:
    """U * T * interval of the config's sampler; None where there is no sampler of that kind."""
    for step in config.get("pipeline") or ():
        kind = str(step.get("type")).rpartition(".")[2]
        if kind in ("SampleActionUnits", "SampleFrames"):
            units = step.get("num_units" if kind == "SampleActionUnits" else "num_clips", 1)
            return units * step["clip_len"] * step.get("frame_interval", 1)
    return None


def _read_entries(dataset: Any, num_classes: int | None, report: SubsetReport) -> list[Media]:
    """Entries of the list; one in a format that is not the host's is left to its own class."""
    from mmaction.datasets import RawframeDataset, VideoDataset

    load = type(dataset).load_data_list
    if load not in (RawframeDataset.load_data_list, VideoDataset.load_data_list):
        found = dataset.load_data_list()
        return [Media(item["filename"]) for item in found if "filename" in item]
    rawframes = load is RawframeDataset.load_data_list
    form = ListFormat(
        rawframes=rawframes,
        delimiter=getattr(dataset, "delimiter", " "),
        with_offset=getattr(dataset, "with_offset", False),
        multi_class=dataset.multi_class,
        num_classes=num_classes,
    )
    entries, findings = read_list(dataset.ann_file, form)
    report.findings += findings
    prefix = dataset.data_prefix.get("img" if rawframes else "video") or ""
    if not entries:
        report.findings.append(Finding("empty list", report.ann_file, "holds no usable line"))
    return [_media(entry, prefix, dataset) for entry in entries]


def _media(entry: Entry, prefix: str, dataset: Any) -> Media:
    path = os.path.join(prefix, entry.name)
    if entry.total_frames is None:
        return Media(path)
    start = dataset.start_index + entry.offset
    tmpl, whole = dataset.filename_tmpl, not dataset.with_offset
    return Media(path, entry.total_frames, start, tmpl, whole)


def _compare_with_published(report: SubsetReport) -> None:
    known = recognise_list(report.ann_file)
    if known is None:
        return
    report.published = known.count
    if report.entries != known.count:
        message = f"{report.entries:,} entries, published: {known.count:,}"
        if not known.facts.complete:
            message += f" (no two copies of {known.facts.title} are alike)"
        report.findings.append(
            Finding("count differs", report.ann_file, message, error=known.facts.complete)
        )


def _look(item: Media) -> tuple[str, str] | None:
    """What a look at the folder says is wrong with an entry: (kind, message)."""
    if item.filename_tmpl is None:
        if not os.path.isfile(item.path):
            return "missing", "no such file"
        return ("empty file", "0 bytes") if os.path.getsize(item.path) == 0 else None
    if not os.path.isdir(item.path):
        return "missing", "no such folder"
    names = set(os.listdir(item.path))
    holes = [path for path in map(os.path.basename, item.frame_paths()) if path not in names]
    if len(holes) == item.frames:
        return "missing frames", f"none of {item.frames}; is filename_tmpl {item.filename_tmpl}?"
    if holes:
        return "missing frames", f"{len(holes)} of {item.frames}, first {holes[0]}"
    if item.filename_tmpl.format(item.start + item.frames) in names and item.whole_folder:
        return "wrong frame count", f"the list says {item.frames}, the folder has more"
    return None


def _probe(item: Media) -> tuple[int, float | None]:
    return probe_video(item.path) if item.frames is None else probe_frames(item.frame_paths())


def _decode(items: list[Media], workers: int, time_limit: float, report: SubsetReport) -> None:
    kinds = {
        "error": "not decodable",
        "crashed": "crashes the decoder",
        "hung": "hangs the decoder",
    }
    outcomes = run_isolated(_probe, items, workers, time_limit)
    for outcome in _progress(outcomes, f"{report.subset}: decoding", len(items)):
        item = items[outcome.index]
        if outcome.kind != "value":
            report.findings.append(Finding(kinds[outcome.kind], item.path, outcome.value))
            continue
        report.decoded += 1
        frames, rate = outcome.value
        if item.frames is None:
            report.frames.append(frames)
        if rate:
            report.seconds.append(frames / rate)


def _progress(items: Any, title: str, total: int | None = None) -> Iterator[Any]:
    """The items, with the host's progress bar on a terminal."""
    total = len(items) if total is None else total
    if total == 0 or not os.isatty(2):
        yield from items
        return
    sys.stderr.write(f"{title}\n")
    bar = ProgressBar(total, file=sys.stderr)
    for item in items:
        yield item
        bar.update()
    sys.stderr.write("\n")


def _statistics(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    names = ("min", "q25", "median", "q75", "max")
    quartiles = np.percentile(values, (0, 25, 50, 75, 100)).tolist()
    return {**dict(zip(names, quartiles)), "mean": float(np.mean(values))}


def _draw(subsets: Sequence[SubsetReport], path: Path) -> None:
    """A histogram of the lengths in frames, with the sampler's span marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.4 * len(subsets)), layout="constrained")
    all_axes = figure.subplots(len(subsets), squeeze=False)[:, 0]
    for axes, subset in zip(all_axes, subsets):
        axes.hist(subset.frames, bins=min(50, 1 + len(set(subset.frames))))
        axes.set(title=f"{subset.subset}: {len(subset.frames)} videos measured")
        axes.set(xlabel="frames", ylabel="videos")
        if subset.span is not None:
            axes.axvline(subset.span, color="black", linestyle="--", label="sampler's span")
            axes.legend()
    figure.savefig(path, dpi=120)
