"""The result of a check as text, JSON and a histogram, compared with the published counts."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from annotation_lists import Finding
from dataset_check import SubsetReport
from dataset_facts import recognize_list
from matplotlib.figure import Figure
from problem_lists import problem_summary


def compare_with_published(report: SubsetReport) -> None:
    """Add a finding if the number of videos in a known list is not the published one."""
    known, count = recognize_list(report.ann_file) or (None, None)
    if known and report.entries != count:
        message = f"{report.entries:,} entries, published: {count:,}"
        if not known.uniform:
            message += f" (no two copies of {known.title} are alike)"
        report.findings.append(Finding("count differs", report.ann_file, message, known.uniform))


def summary(config: str, reports: Sequence[SubsetReport]) -> str:
    """Return the text for a terminal."""
    verdict = "fine" if all(report.ok for report in reports) else "problems found"
    lines = [line for report in reports for line in _lines(report)]
    return "\n".join([config, *lines, f"verdict: {verdict}"])


def write(config: str, reports: Sequence[SubsetReport], folder: Path) -> None:
    """Write report.json and durations.png."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "config": config,
        "ok": all(report.ok for report in reports),
        "subsets": [
            {
                **asdict(report),
                "published": _published(report),
                "frames": _statistics(report.frames),
                "seconds": _statistics(report.seconds),
                "shorter_than_span": report.shorter_than_span,
            }
            for report in reports
        ],
    }
    (folder / "report.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    _draw(reports, folder / "durations.png")


def _published(report: SubsetReport) -> int | None:
    known = recognize_list(report.ann_file)
    return known and known[1]


def _lines(report: SubsetReport) -> Iterator[str]:
    published = _published(report)
    beside = f" (published: {published:,})" if published else ""
    yield f"{report.subset}: {report.entries:,} videos{beside} in {report.ann_file}"
    for unit, values in (("frames", report.frames), ("seconds", report.seconds)):
        if numbers := _statistics(values):
            yield f"  {unit}: {', '.join(f'{name} {value:g}' for name, value in numbers.items())}"
    if report.sampler_span is not None and report.frames:
        yield (
            f"  shorter than the sampler's span of {report.sampler_span} frames: "
            f"{report.shorter_than_span:,} of {len(report.frames):,} measured"
        )
    yield f"  decoded: {report.decoded:,} of {report.entries:,}"
    kinds = defaultdict(list)
    for finding in sorted(report.findings, key=lambda finding: (not finding.error, finding.kind)):
        word = "ERROR" if finding.error else "warning"
        kinds[f"{word} {finding.kind}"].append(f"{finding.where}: {finding.message}")
    yield from (f"  {line}" for line in problem_summary(kinds))


def _statistics(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    names = ("min", "q25", "median", "q75", "max")
    quartiles = np.percentile(values, (0, 25, 50, 75, 100)).tolist()
    return {**dict(zip(names, quartiles)), "mean": float(np.mean(values))}


def _draw(reports: Sequence[SubsetReport], path: Path) -> None:
    """Draw a histogram of the lengths in frames, with the sampler's span marked."""
    figure = Figure(figsize=(6, 2.4 * len(reports)), layout="constrained")
    all_axes = figure.subplots(len(reports), squeeze=False)[:, 0]
    for axes, report in zip(all_axes, reports):
        axes.hist(report.frames, bins=min(50, 1 + len(set(report.frames))))
        axes.set(title=f"{report.subset}: {len(report.frames)} videos measured")
        axes.set(xlabel="frames", ylabel="videos")
        if report.sampler_span is not None:
            axes.axvline(report.sampler_span, color="black", linestyle="--", label="sampler's span")
            axes.legend()
    figure.savefig(path, dpi=120)
