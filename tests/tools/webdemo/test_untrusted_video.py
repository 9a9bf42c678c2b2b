"""Videos of strangers are checked in limited processes, without a browser and without Gradio."""

import os
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from encoding import encode
from miniature import write_video
from mmengine.config import Config
from untrusted_video import MEGABYTE, Limits, check_video, run_limited, start_processes

from f4d_mmaction import visualization

CONFIG = "configs/recognition/f4d/f4d_r18_phase_order.py"


@pytest.fixture(scope="module")
def config(root: Path) -> Config:
    start_processes()
    return Config.fromfile(root / CONFIG)


@pytest.fixture
def video(tmp_path: Path) -> str:
    write_video(tmp_path / "video.mp4", frames=24)
    return str(tmp_path / "video.mp4")


def test_sound_videos_pass(video: str, config: Config) -> None:
    assert check_video(video, config, Limits()) == ""


def test_a_path_of_another_kind_is_sent_as_a_plain_text(video: str, config: Config) -> None:
    """Gradio's kind took its process seconds, to import what it is made of."""

    class Named(str):  # can only be pickled where it was made
        pass

    assert check_video(Named(video), config, Limits()) == ""


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "zero bytes"), (b"#EXTM3U\nfile:///etc/passwd\n" * 50, "text")]
)
def test_what_is_no_video_is_named_without_its_place(tmp_path, config, content, says) -> None:
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content)
    error = check_video(str(path), config, Limits())
    assert says in error
    assert "holiday.mp4" in error
    assert str(tmp_path) not in error


def test_truncated_video_is_refused(video: str, config: Config) -> None:
    data = Path(video).read_bytes()
    Path(video).write_bytes(data[: len(data) * 2 // 3])
    assert "video.mp4" in check_video(video, config, Limits())


def test_small_files_that_unpack_to_much_are_refused(tmp_path: Path, config: Config) -> None:
    """A frame of 200 MB in a file of some kB; an hour, and many frames, in as little."""

    def error(name: str, size: int, frames: int, rate: Fraction, limits: Limits) -> str:
        path = encode(tmp_path / name, range(frames), rate, (size, size), "mpeg4")
        assert os.path.getsize(path) < MEGABYTE
        return check_video(str(path), config, limits)

    big = error("big.mp4", 8176, 1, Fraction(25), Limits())
    assert "more than 9437184 pixels" in big
    assert "longer than 300 s" in error("slow.mp4", 16, 36, Fraction(1, 100), Limits())
    many = ("many.mp4", 16, 300, Fraction(120))
    assert "200 frames" in error(*many, Limits(frames=200))
    assert error(*many, Limits()) == ""


def test_a_crash_a_hang_and_an_error_cost_their_process_alone() -> None:
    assert run_limited(len, ("four",), 60, 100) == ("", 4)
    assert run_limited(os.abort, (), 60, 100)[0] == "crashed"
    assert run_limited(time.sleep, (60,), 0.5, 100) == ("hung", "no answer in 0.5 s")
    assert run_limited(int, ("four",), 60, 100)[0] == "error"


@pytest.fixture
def fragmented_heap() -> Iterator[None]:
    """Hundreds of megabytes that were freed but cannot go back to the system."""
    blocks = [bytes(100_000) for _ in range(4000)]  # smaller than what malloc maps
    last = blocks[-1]  # above all others in the heap
    del blocks
    yield
    del last


def test_memory_is_limited_whatever_was_allocated_before(
    tmp_path: Path, config: Config, fragmented_heap: None
) -> None:
    assert run_limited(eval, ("len(bytearray(90 * 2**20))",), 60, 100) == ("", 90 * MEGABYTE)
    kind, error = run_limited(eval, ("len(bytearray(110 * 2**20))",), 60, 100)
    assert kind == "error"
    assert error.startswith("MemoryError")
    pieces = "len([bytes(100_000) for _ in range(1100)])"
    assert run_limited(eval, (pieces,), 60, 100)[0] == "error"

    black = [np.zeros((3072, 3072, 3), np.uint8)] * 32  # 16 frames of 28 MB are read
    bomb = str(visualization.write_video(tmp_path / "bomb.mp4", black, 8, "mpeg4"))
    assert os.path.getsize(bomb) < MEGABYTE
    error = check_video(bomb, config, Limits(memory=200))
    assert "memory" in error
    assert "bomb.mp4" in error
    assert check_video(bomb, config, Limits()) == ""


def test_limits_must_be_positive() -> None:
    for wrong in (0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=f"seconds must be positive and finite, got {wrong}"):
            Limits(seconds=wrong)
