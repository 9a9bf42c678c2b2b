"""Units, frames and interval follow the lengths of the videos."""

from collections.abc import Callable
from pathlib import Path

import pytest
from folder.choosing import choose_units
from miniature import write_video


def test_units_fit_the_video_and_the_action() -> None:
    for frames, rate, action, expected in (
        (60, 30, None, (4, 4, 3)),  # a unit spans its section of half a second
        (3000, 30, None, (4, 4, 7)),  # or a second of it
        (900, 30, 5, (12, 4, 7)),  # two units in every action
        (10, 0, None, (4, 2, 1)),  # no more frames than there are
    ):
        chosen, _ = choose_units([frames] * 5, [rate] * 5, action)
        assert tuple(chosen.values()) == expected
    chosen, (said, *_) = choose_units([100, 120, 3000], [10, 60, 30], 2)
    assert said.startswith("half of the videos last 10.0 s or more")
    assert chosen["num_units"] == 10
    for wrong in ([], [0], [float("inf")], [float("nan")]):
        with pytest.raises(ValueError, match="frames must be positive"):
            choose_units(wrong, [25] * len(wrong))


def test_the_command_names_bad_videos_and_goes_on(tmp_path: Path, run_tool: Callable) -> None:
    videos = tmp_path / "mine"
    videos.mkdir()
    (videos / "a.mp4").write_text("no video")
    assert "all are bad" in run_tool("choose_units.py", videos, code=2)
    write_video(videos / "b.mp4", 60, fps=30)
    said = run_tool("choose_units.py", videos)
    assert f"BAD {videos}/a.mp4" in said
    assert "'num_units': 4, 'clip_len': 4, 'frame_interval': 3" in said
