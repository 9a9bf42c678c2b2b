"""What stands between a web page and those who use it: limits on requests and on uploaded videos.

Gradio bounds the size of one uploaded file. It does not bound the number of uploads, the time one
may take, the disk they fill, or what a small file unpacks to; and it fetches addresses that a
request names. This is an ASGI layer around it, and a look at each video in a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from ..datasets.isolated import run_isolated
from ..datasets.transforms import VideoReader
from ..datasets.video_errors import BadVideoError, BadVideoKind
from ..structures import Recognition
from .recognition import read_video, video_pipeline

MEGABYTE = 2**20
OTHER_BODY = MEGABYTE  # requests that upload nothing are small
# The page may load nothing from elsewhere, and no other page may frame it.
HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' "
    "'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True)
class Limits:
    """What a visitor may ask for.

    Attributes:
        megabytes: Size of one upload.
        seconds: Duration of one video.
        frames: Length of one video in frames.
        pixels: Width * height of one video.
        reading: Seconds for opening and decoding one video.
        memory: Megabytes for the same.
        uploads: Uploads at once.
        uploading: Seconds for one upload, or for the headers of a request.
        waiting: Visitors in the queue.
        disk: Megabytes of temporary files.
        keep: Seconds for which temporary files are kept.
    """

    megabytes: float = 100.0
    seconds: float = 300.0
    frames: int = 20_000
    pixels: int = 4096 * 2304
    reading: float = 30.0
    memory: float = 2048.0
    uploads: int = 4
    uploading: float = 120.0
    waiting: int = 16
    disk: float = 2000.0
    keep: float = 900.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")


def check_video(path: str, config: Config, limits: Limits) -> str:
    """Say what keeps a video from being recognized, in a sentence for its owner; '' if nothing.

    Headers are looked at before a frame is decoded, and all of it happens in another process: a
    file that crashes the decoder, hangs it or unpacks to more than the memory allowed costs that
    process alone.
    """

    def look(path: str) -> tuple[str, str]:
        _limit_memory(limits.memory)
        try:
            reader = VideoReader(path, limits.reading, max_pixels=limits.pixels)
            frames, rate = len(reader), reader.average_fps
            reader.close()
        except BadVideoError as error:
            return error.kind.value, str(error)
        if frames > limits.frames or (rate and frames / rate > limits.seconds):
            return "too_long", ""
        result = read_video(video_pipeline(config), path)
        return (result.kind, result.error) if isinstance(result, Recognition) else ("", "")

    (outcome,) = run_isolated(look, [path], workers=1, time_limit=2 * limits.reading)
    kind, error = outcome.value if outcome.kind == "value" else (outcome.kind, str(outcome.value))
    name = Path(path).name
    known = {
        "too_long": f"{name} is longer than {limits.seconds:g} s or {limits.frames} frames.",
        BadVideoKind.TOO_LARGE.value: f"{name} has frames of more than {limits.pixels} pixels.",
        "crashed": f"{name} cannot be decoded: the decoder died of it.",
        "hung": f"{name} was not read within {2 * limits.reading:g} s.",
        "error": f"{name} cannot be decoded, or takes more memory than is allowed.",
    }
    # Where files lie on this machine is nobody's business.
    return known.get(kind, error.replace(path, name)) if kind else ""


def _limit_memory(megabytes: float) -> None:
    """Let this process grow by so much from where it is; only where Linux tells that."""
    with contextlib.suppress(ImportError, OSError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + int(megabytes * MEGABYTE)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def sweep(folder: Path, age: float, keep: Iterable[Path] = ()) -> None:
    """Delete what a folder holds that has not changed for ``age`` seconds, empty folders too."""
    kept, now = set(keep), time.time()
    for path in sorted(folder.rglob("*"), reverse=True):  # what a folder holds before the folder
        with contextlib.suppress(OSError):  # another sweep, or a folder that is not empty
            if path in kept or now - path.lstat().st_mtime < age:
                continue
            path.rmdir() if path.is_dir() else path.unlink()


def megabytes_in(folder: Path) -> float:
    """Size of the files of a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total / MEGABYTE


class Guard:
    """ASGI layer that refuses what is too much, and tells browsers to load nothing from elsewhere.

    Args:
        app: What it protects.
        limits: How much is too much.
        folder: Where uploads go.
    """

    def __init__(self, app: Callable, limits: Limits, folder: Path) -> None:
        self.app = app
        self.limits = limits
        self.folder = folder
        self.uploads = 0

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _Request(receive, send)
        uploads = scope["path"].endswith("/upload")
        most = (self.limits.megabytes * MEGABYTE if uploads else 0) + OTHER_BODY
        length = dict(scope["headers"]).get(b"content-length", b"0")
        # Gradio fetches what such paths name, from wherever it is.
        if "/proxy=" in scope["path"] or "/file=http" in scope["path"].lower():
            await request.refuse(404, "no such page")
        elif not length.isdigit() or int(length) > most:
            await request.refuse(413, f"more than {self.limits.megabytes:g} MB")
        elif not uploads:
            await request.serve(self.app, scope, most, self.limits.uploading)
        elif self.uploads >= self.limits.uploads or megabytes_in(self.folder) > self.limits.disk:
            await request.refuse(503, "the server is busy; try again in a few minutes")
        else:
            self.uploads += 1
            try:
                await request.serve(self.app, scope, most, self.limits.uploading)
            finally:
                self.uploads -= 1


class _Request:
    """One request whose body is counted and timed as it comes in."""

    def __init__(self, receive: Callable, send: Callable) -> None:
        self.receive, self.send = receive, send
        self.started = self.refused = False

    async def refuse(self, status: int, reason: str) -> None:
        """Answer, and let nothing else answer."""
        if not self.started:
            body = html.escape(reason).encode()
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            headers.append((b"content-length", str(len(body)).encode()))
            await self.answer({"type": "http.response.start", "status": status, "headers": headers})
            await self.answer({"type": "http.response.body", "body": body})
        self.refused = True

    async def answer(self, message: dict) -> None:
        """Send a part of the answer, with our headers."""
        if self.refused:
            return
        if message["type"] == "http.response.start":
            self.started = True
            extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await self.send(message)

    async def serve(self, app: Callable, scope: dict, most: float, seconds: float) -> None:
        """Run the app; a body that is too long or too slow ends as if the client had left."""
        deadline, seen, complete = time.monotonic() + seconds, 0, False

        async def receive() -> dict:
            nonlocal seen, complete
            if self.refused:
                return {"type": "http.disconnect"}
            if complete:  # nothing but the client's leaving is to come
                return await self.receive()
            try:
                message = await asyncio.wait_for(self.receive(), deadline - time.monotonic())
            except asyncio.TimeoutError:
                await self.refuse(408, f"not sent within {seconds:g} s")
                return {"type": "http.disconnect"}
            seen += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if seen > most:
                await self.refuse(413, f"more than {most / MEGABYTE:g} MB")
                return {"type": "http.disconnect"}
            return message

        try:
            await app(scope, receive, self.answer)
        except Exception:
            if not self.refused:
                raise


def impatient(protocol: type, seconds: float) -> type:
    """Make uvicorn's HTTP protocol hang up on clients that do not finish their headers in time."""

    class Impatient(protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.loop.call_later(seconds, self._hang_up_if_silent)

        def _hang_up_if_silent(self) -> None:
            if self.cycle is None:  # no request yet
                self.transport.close()

    return Impatient
