"""Limits of the web page on requests and videos, without a browser and without Gradio."""

from __future__ import annotations

import asyncio
import os
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from miniature import write_video
from mmengine.config import Config

from f4d_mmaction.apis.web_guard import MEGABYTE, Guard, Limits, check_video, sweep

CONFIG = "configs/recognition/f4d/f4d_r18_phase_order.py"


@pytest.fixture(scope="module")
def config(root: Path) -> Config:
    return Config.fromfile(root / CONFIG)


@pytest.fixture
def video(tmp_path: Path) -> str:
    write_video(tmp_path / "video.mp4", frames=24)
    return str(tmp_path / "video.mp4")


def encode(path: Path, size: int, frames: int, rate: Fraction) -> str:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate)
        stream.width = stream.height = size
        frame = av.VideoFrame.from_ndarray(np.zeros((size, size, 3), np.uint8), format="rgb24")
        for place in range(frames):
            frame.pts = place
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


def test_sound_videos_pass(video: str, config: Config) -> None:
    assert check_video(video, config, Limits()) == ""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "zero bytes"),
        (b"#!/bin/sh\necho hello\n" * 50, "text"),
        (b"PK\x03\x04" + bytes(2000), "zip archive"),
        (b"\x89PNG\r\n" + bytes(2000), "PNG picture"),
        (bytes(range(256)) * 40, "garbage"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n" * 9, "text"),
    ],
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
    big = encode(tmp_path / "big.mp4", 8176, 1, Fraction(25))
    assert os.path.getsize(big) < MEGABYTE
    assert "more than 9437184 pixels" in check_video(big, config, Limits())
    slow = encode(tmp_path / "slow.mp4", 16, 36, Fraction(1, 100))
    assert "longer than 300 s" in check_video(slow, config, Limits())
    many = encode(tmp_path / "many.mp4", 16, 300, Fraction(120))
    assert "200 frames" in check_video(many, config, Limits(frames=200))
    assert check_video(many, config, Limits()) == ""


def test_decoder_that_takes_too_much_memory_or_time_costs_its_process_alone(
    video: str, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    from f4d_mmaction.apis import web_guard

    def greedy(*args: object) -> dict:
        return {"inputs": bytearray(300 * MEGABYTE)}

    monkeypatch.setattr(web_guard, "read_video", greedy)
    assert check_video(video, config, Limits()) == ""
    assert "memory" in check_video(video, config, Limits(memory=100))
    monkeypatch.setattr(web_guard, "read_video", lambda *args: time.sleep(60))
    assert "was not read within 1 s" in check_video(video, config, Limits(reading=0.5))
    monkeypatch.setattr(web_guard, "read_video", lambda *args: os.abort())
    assert "the decoder died of it" in check_video(video, config, Limits())


def test_limits_must_be_positive() -> None:
    with pytest.raises(ValueError, match="seconds must be positive, got 0"):
        Limits(seconds=0)


def test_sweep_deletes_what_is_old_and_nothing_else(tmp_path: Path) -> None:
    for name in ("old/deep/video.mp4", "old/sample.mp4", "new/video.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for path in tmp_path.rglob("*"):
        if "new" not in path.parts:
            os.utime(path, (0, 0))
    kept = {tmp_path / "old", tmp_path / "old/sample.mp4"}
    sweep(tmp_path, 60, kept)
    os.utime(tmp_path / "old/deep", (0, 0))  # emptied just now, it would go after its own time
    sweep(tmp_path, 60, kept)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"old", "old/sample.mp4", "new", "new/video.mp4"}


class Client:
    """Speaks ASGI to a guarded app that reads its body and answers 200."""

    def __init__(self, folder: Path, **limits: float) -> None:
        self.guard = Guard(self.app, Limits(**limits), folder)
        self.bodies: list[int] = []

    async def app(self, scope: dict, receive, send) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client left")
            size, more = size + len(message["body"]), message["more_body"]
        self.bodies.append(size)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"fine"})

    async def ask(self, path: str, chunks: list[bytes], length: int | None = None, wait=0.0) -> int:
        left, answers = list(chunks), []

        async def receive() -> dict:
            await asyncio.sleep(wait)
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

        async def send(message: dict) -> None:
            answers.append(message)

        headers = [] if length is None else [(b"content-length", str(length).encode())]
        scope = {"type": "http", "path": path, "headers": headers}
        await self.guard(scope, receive, send)
        starts = [message for message in answers if message["type"] == "http.response.start"]
        assert len(starts) == 1
        assert any(name == b"content-security-policy" for name, _ in starts[0]["headers"])
        return starts[0]["status"]


def ask(client: Client, *args, **kwargs) -> int:
    return asyncio.run(client.ask(*args, **kwargs))


def test_guard_counts_bodies_announced_or_not(tmp_path: Path) -> None:
    client = Client(tmp_path, megabytes=1)
    assert ask(client, "/gradio_api/upload", [b"x" * MEGABYTE]) == 200
    assert ask(client, "/gradio_api/upload", [b"x"], length=3 * MEGABYTE) == 413
    assert ask(client, "/gradio_api/upload", [b"x" * MEGABYTE] * 3) == 413
    assert ask(client, "/gradio_api/queue/join", [b"x" * MEGABYTE, b"x"]) == 413
    assert ask(client, "/gradio_api/queue/join", [b"x"], length=-1) == 413
    assert client.bodies == [MEGABYTE]


def test_guard_hangs_up_on_slow_bodies(tmp_path: Path) -> None:
    client = Client(tmp_path, uploading=0.3)
    assert ask(client, "/gradio_api/upload", [b"x"] * 50, wait=0.1) == 408
    assert client.bodies == []


def test_guard_bounds_uploads_at_once_and_the_disk(tmp_path: Path) -> None:
    client = Client(tmp_path, uploads=2, disk=1)

    async def crowd() -> list[int]:
        return await asyncio.gather(
            *(client.ask("/gradio_api/upload", [b"x"], wait=0.1) for _ in range(5))
        )

    assert sorted(asyncio.run(crowd())) == [200, 200, 503, 503, 503]
    assert ask(client, "/gradio_api/upload", [b"x"]) == 200  # the places are free again
    (tmp_path / "uploaded.mp4").write_bytes(bytes(MEGABYTE + 1))
    assert ask(client, "/gradio_api/upload", [b"x"]) == 503


@pytest.mark.parametrize(
    "path", ["/gradio_api/file=http://10.0.0.1/", "/gradio_api/file=HTTPS://x", "/proxy=http://x"]
)
def test_guard_fetches_nothing_for_a_visitor(tmp_path: Path, path: str) -> None:
    assert ask(Client(tmp_path), path, [b""]) == 404
