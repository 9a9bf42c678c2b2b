"""Every video of a folder of your own against plain sequential decoding.

F4D_REAL_VIDEOS=/folder python -m pytest tests/reliability/test_real_videos.py
"""

import os
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from f4d_mmaction.datasets.transforms import VideoReader
from f4d_mmaction.datasets.video_errors import BadVideoError

FOLDER = os.environ.get("F4D_REAL_VIDEOS", "")
FRAMES = 200  # compared of each video
VIDEOS = sorted(path for path in Path(FOLDER).iterdir() if path.is_file()) if FOLDER else []


@pytest.mark.skipif(not FOLDER, reason="F4D_REAL_VIDEOS names no folder")
@pytest.mark.parametrize("path", VIDEOS, ids=lambda path: path.name)
def test_several_random_reads_equal_sequential_decoding(path):
    try:
        reader = VideoReader(str(path))
        total = min(FRAMES, len(reader))
        reader.read(range(total))
    except BadVideoError as error:
        pytest.skip(str(error))  # for a person to judge
    with av.open(str(path)) as video:
        truth = [
            np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
            for frame in islice(video.decode(video=0), FRAMES)
        ]
    assert len(truth) == total
    rng = np.random.default_rng(0)
    for count in (1, 3, 10, total, 3, 1):
        wanted = np.sort(rng.choice(total, min(count, total), replace=False))
        for index, frame in zip(wanted, reader.read(wanted)):
            np.testing.assert_array_equal(frame, truth[index])
