"""Mutated videos never crash or hang the process that reads them: `-m slow -s` for the table."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from encoding import write_texture
from mutating import count_outcomes, mutate

from f4d_mmaction.analysis.report import markdown_table
from f4d_mmaction.datasets.transforms import DecodeRawUnits, VideoReader
from f4d_mmaction.datasets.video_errors import BadVideoError, BadVideoKind

# container: (encoder, pixel format, further arguments)
SOUND = {
    "h264.mp4": ("libx264", "yuv420p", {"options": {"bf": "2"}, "gop": 12}),
    "mpeg4.mp4": ("mpeg4", "yuv420p", {"gop": 12}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {"gop": 12, "options": {"bf": "2"}}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {"options": {"deadline": "realtime"}}),
    "vp8.webm": ("libvpx", "yuv420p", {"options": {"deadline": "realtime"}}),
}
FRAMES, SIZE = 24, (96, 64)
READ = ("frames as before", "first frames only", "frames out of place", "other frames")


def read_frames(path: Path) -> list[np.ndarray]:
    """Read all frames of a video, or one picture, as training does."""
    if path.suffix == ".jpg":
        info = {"frame_dir": str(path.parent), "filename_tmpl": path.name, "frame_inds": [0]}
        return DecodeRawUnits()({**info, "modality": "RGB"})["imgs"]
    reader = VideoReader(str(path), time_limit=30)
    return reader.read(range(len(reader)))


def read_mutant(sound: Path, truth: list[np.ndarray], folder: Path, seed: int) -> str:
    """Damage a file by a random seed, read it, and name the outcome: a kind, or one of `READ`."""
    original = sound.read_bytes()
    path = folder / str(seed) / sound.name
    path.parent.mkdir()
    path.write_bytes(mutate(original, np.random.default_rng([seed, len(original)])))
    try:
        frames = read_frames(path)
    except BadVideoError as error:
        return error.kind.value
    if len(frames) <= len(truth) and all(map(np.array_equal, frames, truth)):
        return "frames as before" if len(frames) == len(truth) else "first frames only"
    places = {frame.tobytes(): place for place, frame in enumerate(truth)}
    moved = any(places.get(f.tobytes(), place) != place for place, f in enumerate(frames))
    return "frames out of place" if moved else "other frames"


@pytest.mark.parametrize("mutants", [105, pytest.param(2100, marks=pytest.mark.slow)])
def test_every_mutant_is_read_or_refused_by_kind(tmp_path: Path, mutants: int) -> None:
    for name, (codec, pixel_format, options) in SOUND.items():
        write_texture(tmp_path / name, FRAMES, SIZE, codec, pixel_format, **options)
    picture = read_frames(tmp_path / "mjpeg.avi")[0]
    cv2.imwrite(str(tmp_path / "00001.jpg"), picture)
    names = [*SOUND, "00001.jpg"]
    counts = {}
    for place, name in enumerate(names):
        sound, folder = tmp_path / name, tmp_path / f"{name} mutants"
        folder.mkdir()
        read = partial(read_mutant, sound, read_frames(sound), folder)
        counts[name] = count_outcomes(read, range(place, mutants, len(names)))

    outcomes = sorted({outcome for count in counts.values() for outcome in count})
    table = [[outcome, *(count[outcome] for count in counts.values())] for outcome in outcomes]
    table = [[outcome, *row, sum(row)] for outcome, *row in table]
    print("", markdown_table(["outcome", *counts, "all"], table), sep="\n")
    assert set(outcomes) <= {*READ, *(kind.value for kind in BadVideoKind)}
    assert sum(sum(count.values()) for count in counts.values()) == mutants
