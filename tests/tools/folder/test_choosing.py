"""Units, frames and interval follow the lengths of the videos."""

from __future__ import annotations

import pytest
from folder.choosing import choose_units


def test_units_fit_the_video_and_the_action() -> None:
    for frames, rate, action, expected in (
        (60, 30, None, (4, 4, 3)),  # a unit spans its section of half a second
        (3000, 30, None, (4, 4, 7)),  # or a second of it
        (900, 30, 5, (12, 4, 7)),  # two units in every action
        (10, 0, None, (4, 2, 1)),  # no more frames than there are
    ):
        chosen, _ = choose_units([frames] * 5, [rate] * 5, action)
        assert tuple(chosen.values()) == expected
    with pytest.raises(ValueError, match="positive"):
        choose_units([], [])
