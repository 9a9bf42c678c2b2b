"""Baselines that cost nothing, intervals, and what the table means in plain sentences."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from f4d_mmaction.analysis.statistics import Estimate, wilson

from .finding import Video
from .splitting import pixels

DRAWS = 10_000  # of the bootstrap
F4D, REVERSED, SLOWONLY = "F4D", "F4D, units reversed", "SlowOnly, units averaged"
BACKGROUND, FREQUENT = "nearest background", "most frequent class"
HEAD = ["", "test accuracy", "95 % interval", "mean class accuracy", "F4D's lead in points"]
RIVALS = {
    FREQUENT: "always naming the most frequent class",
    BACKGROUND: "a look at the scene alone (nearest background)",
    SLOWONLY: "SlowOnly, which averages the units",
    REVERSED: "F4D with its units reversed; where it does, their order matters",
}


def baselines(known: Sequence[Video], asked: Sequence[Video]) -> dict[str, list[str]]:
    """Answers of the nearest median frame, and of the most frequent class."""
    frames, labels = pixels(known), [video.label for video in known]
    nearest = [np.abs(frames - frame).mean(1).argmin() for frame in pixels(asked)]
    frequent = Counter(labels).most_common(1)[0][0]
    return {BACKGROUND: [labels[i] for i in nearest], FREQUENT: [frequent] * len(asked)}


def place_tells(videos: Sequence[Video]) -> tuple[bool, str]:
    """Whether the nearest background of another group tells the class, and by how much."""
    frames, labels = pixels(videos), np.array([video.label for video in videos])
    groups, hits = np.array([video.group for video in videos]), 0
    if len(set(groups)) < 2:
        return False, "these are one group: whether the place tells the class is unknown"
    for frame, label, group in zip(frames, labels, groups):
        distances = np.where(groups == group, np.inf, np.abs(frames - frame).mean(1))
        hits += labels[distances.argmin()] == label
    share, least, _ = wilson(int(hits), len(videos))
    frequent = Counter(labels).most_common(1)[0][1] / len(videos)
    tells = bool(least > frequent)
    return tells, (
        f"the nearest background of another group names {share:.0%} of these videos, the most "
        f"frequent class {frequent:.0%}: the place {'tells' if tells else 'hardly tells'} the class"
    )


def lead(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Difference of two accuracies on the same videos in points, with its 95 % interval.

    Bootstrap over videos. One more video for and one against are drawn from: where two networks
    agree on all of few videos, the interval does not shrink to nothing.
    """
    won, lost = (first & ~second).sum(), (second & ~first).sum()
    counts = np.array([won + 1, lost + 1, len(first) - won - lost])
    draws = np.random.default_rng(0).multinomial(len(first), counts / counts.sum(), DRAWS)
    ends = np.percentile(draws[:, 0] - draws[:, 1], (2.5, 97.5))
    return 100 * np.array([won - lost, *ends]) / len(first)


class Row(NamedTuple):
    """What was answered: accuracy, mean class accuracy, and F4D's lead in points with its ends."""

    name: str
    accuracy: Estimate
    by_class: float
    lead: np.ndarray

    def cells(self) -> list[str]:
        """The row as texts, a column each of ``HEAD``."""
        share, *ends = self.accuracy
        interval = "" if self.name == FREQUENT else "{:.1%} to {:.1%}".format(*ends)
        ahead = "" if self.name == F4D else "{:+.1f} ({:+.1f} to {:+.1f})".format(*self.lead)
        return [self.name, f"{share:.1%}", interval, f"{self.by_class:.1%}", ahead]


def judge(
    truth: Sequence[str], answers: Mapping[str, Sequence[str]]
) -> tuple[list[Row], list[str]]:
    """Return the rows, and what they mean; an interval around 0 is no difference."""
    labels, rows = np.array(truth), {}
    right = {name: np.array(answer) == labels for name, answer in answers.items()}
    accuracy = {name: wilson(int(hits.sum()), len(hits)) for name, hits in right.items()}
    for name, hits in right.items():
        by_class = np.mean([hits[labels == label].mean() for label in np.unique(labels)])
        if name == FREQUENT:  # no estimate: its share is the class's; F4D's interval is enough
            ahead = 100 * (np.array(accuracy[F4D]) - accuracy[name].value)
        else:
            ahead = lead(right[F4D], hits)
        rows[name] = Row(name, accuracy[name], float(by_class), ahead)
    said = []
    for name, rival in RIVALS.items():
        points, low, high = rows[name].lead
        verb = "beats" if low > 0 else "loses to" if high < 0 else "is not shown to beat"
        numbers = f"{points:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}"
        said.append(f"F4D {verb} {rival} ({numbers}).")
    said.append(f"{len(truth)} test videos, counted as independent; one training of each network.")
    return list(rows.values()), said


def aligned(rows: Sequence[Row]) -> str:
    """The table in Markdown, its columns aligned for a terminal."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(
        1, [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    )
    return "\n".join(
        f"| {first:{widths[0]}} | " + " | ".join(map(str.rjust, rest, widths[1:])) + " |"
        for first, *rest in lines
    )
