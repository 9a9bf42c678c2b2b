"""Timelines show the winners, at any length."""

from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import pytest
from encoding import encode

from f4d_mmaction.apis import Timeline
from f4d_mmaction.visualization import draw_timeline
from f4d_mmaction.visualization import timeline as module
from f4d_mmaction.visualization.style import new_figure
from f4d_mmaction.visualization.timeline import _draw_rows, clock, main_classes


def timeline(winners: list[int], classes: int = 12, section: float = 1.0) -> Timeline:
    """A window for each winner, which is sure of itself."""
    scores = np.full((len(winners), classes), 0.01)
    scores[np.arange(len(winners)), winners] = 0.9
    edges = section * np.arange(len(winners) + 4)
    return Timeline("long.mp4", [f"class {i}" for i in range(classes)], edges, 4, scores)


def test_the_classes_that_win_most_come_in_order_of_time():
    assert main_classes(timeline([5, 5, 1, 3, 3, 3, 5]), 2) == [5, 3]
    assert main_classes(timeline([5, 5, 1, 3, 3, 3, 5]), 9) == [5, 1, 3]


@pytest.mark.parametrize(("count", "section"), [(1, 1), (7, 1), (5000, 1), (5000, 30)])  # 42 h
def test_a_timeline_of_any_length_shows_every_winner_dark(tmp_path, count, section):
    winners = [0, 1, 2][: min(count, 3)] + [2] * (count - 3)
    picture = cv2.imread(str(draw_timeline(timeline(winners, section=section), tmp_path / "a.png")))
    dark = (picture[..., 0] > 90) & (picture[..., 2] < 40)  # blue of a high score
    rows = np.flatnonzero(dark.any(1))
    bands = 1 + (np.diff(rows) > 2).sum()
    assert bands == len(set(winners)), "even one window of thousands is seen"


def test_windows_stand_where_they_are_in_time_at_a_varying_frame_rate():
    """Short sections in the first 10 s, long ones after them; class 1 wins from 4 to 8 s."""
    edges = np.concatenate((np.arange(0, 10, 0.1), np.arange(10, 40, 3.0)))
    middles = (edges[:-4] + edges[4:]) / 2
    scores = np.stack([(middles < 4) | (middles > 8), (middles > 4) & (middles < 8)], 1)
    axes = new_figure(9, 2).subplots()
    _draw_rows(axes, Timeline("x.mp4", ["0", "1"], edges, 4, scores.astype(float)), [0, 1])
    image = axes.images[0]
    wins = np.flatnonzero(np.asarray(image.get_array())[1] > 0.5)
    left, right = image.get_extent()[:2]
    times = left + (right - left) / image.get_array().shape[1] * np.array([wins[0], wins[-1] + 1])
    assert times == pytest.approx([4, 8], abs=0.2)


def test_a_frame_is_held_until_the_next_is_due(tmp_path: Path, monkeypatch) -> None:
    path = encode(tmp_path / "varying.mkv", [0, 1, 2, 12, 13])  # twelfths of a second
    shown: list[float] = []
    stage = Namespace(show=lambda image, time: shown.append(time) or image)
    scores, edges = np.eye(2), np.array([0, 0.5, 1.2])
    told = Timeline(str(path), ["a", "b"], edges, 1, scores)
    monkeypatch.setattr(module, "_caption", lambda picture, *_: picture)
    assert len(list(module._play(told, stage, 12))) == 14
    twelfths = (12 * np.array(shown)).round().astype(int).tolist()
    assert twelfths == [0, 1, *10 * [2], 12, 13]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61.4, "1:01"), (7325, "2:02:05")])
def test_times_read_as_a_clock(seconds, text):
    assert clock(seconds) == text
