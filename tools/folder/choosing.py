"""How many units, of how many frames, at which interval: from the lengths of the videos."""

import math
from collections.abc import Sequence

import numpy as np

FEWEST, MOST = 4, 16  # units
SPAN = 1.0  # seconds of a unit, where its section has them
USUAL_RATE = 25.0  # frames a second of a video that does not know its own


def choose_units(
    frames: Sequence[int],
    rates: Sequence[float],
    action: float | None = None,
    clip_len: int = 4,
    num_units: int | None = None,
    frame_interval: int | None = None,
) -> tuple[dict[str, int], list[str]]:
    """Choose what ``SampleActionUnits`` takes, by the length of each video and its frames a second.

    A rate of 0 is unknown. An ``action`` takes so many seconds, or fills the video.

    Returns:
        ``num_units``, ``clip_len``, ``frame_interval``; and the reasons, a sentence each.

    Raises:
        ValueError: there is no video, or a number is not positive.
    """
    given: dict[str, float | None] = dict(
        frames=min(frames, default=0),
        clip_len=clip_len,
        num_units=num_units,
        frame_interval=frame_interval,
        action=action,
    )
    for name, value in given.items():
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive, got {value}")
    rate = float(np.median([rate for rate in rates if rate > 0] or [USUAL_RATE]))
    length, short = np.median(frames), int(np.percentile(frames, 10))
    # Frames by the rate of their own video: slow and fast cameras may be mixed.
    seconds = float(np.median([n / (own or rate) for n, own in zip(frames, rates, strict=True)]))
    why = [f"half of the videos last {seconds:.1f} s or more, at {rate:.3g} frames a second"]
    if num_units is None:
        num_units = FEWEST
        if action is not None and action < seconds:
            # Two units in an action tell what comes first in it.
            num_units = min(max(math.ceil(2 * seconds / action), FEWEST), MOST)
        takes = "the whole video" if action is None else f"{action:g} s"
        why.append(f"num_units {num_units}: an action takes {takes}")
    if short < num_units * clip_len:
        clip_len = max(1, short // num_units)
        why.append(f"clip_len {clip_len}: a tenth of the videos has {short} frames or fewer")
    section = length / num_units
    if frame_interval is None:
        frame_interval = max(1, int(min(section, SPAN * rate) // clip_len))
    reach = (clip_len - 1) * frame_interval / rate
    why.append(
        f"frame_interval {frame_interval}: a unit reaches over {reach:.2f} s, and stands for a "
        f"section of {seconds / num_units:.2f} s"
    )
    chosen = dict(num_units=num_units, clip_len=clip_len, frame_interval=frame_interval)
    return chosen, why
