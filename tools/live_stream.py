"""Scores of a live stream, a camera, an address or a pipe, in bounded memory and delay.

A thread reads the source and keeps the latest units of one window. The network takes those that
wait; where it is slower than the source, the oldest are dropped and counted.
"""

import os
import re
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from errno import EINVAL, EIO
from fractions import Fraction

import av
import numpy as np
import torch
from av.container import InputContainer
from av.video.reformatter import VideoReformatter

from f4d_mmaction.apis import SlidingWindow
from f4d_mmaction.datasets.video_errors import BadVideoError, BadVideoKind
from f4d_mmaction.datasets.video_reader import FORMATS as FILE_FORMATS
from f4d_mmaction.datasets.video_reader import MAX_PIXELS, decode_all, frame_rate, to_rgb

# What FFmpeg may open for an address of each kind. Redirects and names inside what it reads are not
# followed: a stream must not choose files or hosts of this machine's network.
PROTOCOLS = {"http": "http,tcp", "https": "https,httpproxy,tls,tcp", "rtsp": "tcp",
             "rtsps": "tls,tcp"}  # fmt: skip
FORMATS = f"{FILE_FORMATS},mpjpeg"
PAUSE = 1.0  # seconds before a source is opened again


class StreamError(ValueError):
    """A source that cannot be read, or no longer; one sentence."""


class Pipe:
    """Standard input, which ends when it falls ``silent``."""

    def __init__(self, timeout: float) -> None:
        self.timeout, self.silent = timeout, False

    def read(self, size: int) -> bytes:
        # No error: FFmpeg would ask again, several times.
        self.silent = self.silent or not select.select([0], [], [], self.timeout)[0]
        return b"" if self.silent else os.read(0, size)


def is_live(name: str) -> bool:
    """Whether a name is that of a pipe, a camera or an address, not of a file."""
    return name == "-" or name.isdecimal() or "://" in name


def without_password(text: str) -> str:
    return re.sub("//[^/]*@", "//", text)


def open_live(name: str, timeout: float, pipe: Pipe | None = None) -> InputContainer:
    """Open '-' (standard input, by a ``pipe``), a camera by its number, or an http or rtsp address.

    Raises:
        StreamError: another kind of address, no answer, or no video in it.
    """
    scheme = name.partition("://")[0].lower()
    allowed, formats, kind = PROTOCOLS.get(scheme), FORMATS, None
    source: str | Pipe = name
    if name == "-":
        allowed, source = "pipe", pipe or Pipe(timeout)
    elif name.isdecimal():
        allowed, formats, kind, source = "file", "v4l2", "v4l2", f"/dev/video{name}"
    elif allowed is None:
        raise StreamError(f"{scheme}://: expected an address of {', '.join(PROTOCOLS)}")
    elif scheme.startswith("rtsp"):
        formats = "rtsp"
    options = dict(protocol_whitelist=allowed, format_whitelist=formats, rtsp_transport="tcp",
                   max_redirects="0")  # fmt: skip
    started = time.monotonic()
    try:
        video = av.open(source, "r", format=kind, container_options=options, timeout=timeout)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", str(error))
        if isinstance(error, TimeoutError) or time.monotonic() - started >= timeout:
            reason = f"no answer within {timeout:g} s"  # rtsp then calls its data invalid
        elif getattr(error, "errno", None) == EINVAL:
            reason = f"none of the formats {formats}; name a stream itself, not a playlist"
        elif getattr(error, "errno", None) == EIO:
            reason += ": an unknown host, or a redirect, which is not followed"
        raise StreamError(reason) from None
    context = video.streams.video[0].codec_context if video.streams.video else None
    if context is None or context.codec is None:
        video.close()
        raise StreamError("no video that can be decoded")
    context.options = {"max_pixels": str(MAX_PIXELS)}
    context.thread_type = "SLICE"  # threads by frames would hold frames back
    return video


def announced_seconds(video: InputContainer) -> float:
    """How long its pictures last by its own account; 0 if it gives none."""
    stream = video.streams.video[0]
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if len(video.streams) > 1:  # with sound the duration is that of the longer stream
        return 0.0
    before = max(video.start_time or 0, 0) if "matroska" in video.format.name else 0
    return ((video.duration or 0) - before) / av.time_base


@dataclass
class Unit:
    """The formatted frames of one section."""

    inputs: np.ndarray  # (1, 1, C, T, H, W)
    start: float  # when its first frame is shown, in seconds of the stream's own clock
    end: float  # when its last frame ends
    read: float  # when that was read, by this machine's monotonic clock
    follows: bool  # whether it comes right after the unit before it


@dataclass
class Connection:
    """What a source was from one opening to its end."""

    is_file: bool  # whether it has an end, and begins at its start when it is opened again
    kind: str = ""  # FFmpeg's name of the format
    lasts: float = 0.0  # seconds by its own account, 0 if unknown
    reached: float = 0.0  # when its last frame ends
    frames: int = 0
    ended: bool = False  # rather than broke off
    reason: str = ""  # why there is no more, as a sentence

    @property
    def is_whole(self) -> bool:
        """Whether nothing of a file is missing; FFmpeg may call the end of one an error."""
        if self.ended:
            return self.reached >= 0.9 * self.lasts
        return 0 < 0.99 * self.lasts <= self.reached

    @property
    def is_cut(self) -> bool:
        """Whether a file ended early; of rtsp that also means that the server stopped."""
        return self.ended and self.is_file and self.kind != "rtsp"


class Reader(threading.Thread):
    """Reads a source, opens it again when it breaks off, and keeps its latest units.

    Args:
        name: As ``open_live`` takes it.
        make_window: Makes the sliding window for a number of frames per second.
        timeout: Seconds without an answer or frame after which a connection counts as broken.
        tries: How often, in a row without a frame, a source that was open is opened again.
        keep_all: Let the source wait for the network, and drop nothing.
    """

    def __init__(
        self,
        name: str,
        make_window: Callable[[float], SlidingWindow],
        timeout: float = 10.0,
        tries: int = 3,
        keep_all: bool = False,
    ) -> None:
        super().__init__(daemon=True)
        self.source, self.make_window, self.timeout = name, make_window, timeout
        self.tries, self.keep_all, self.pipe = tries, keep_all, Pipe(timeout)
        self.shown = "standard input" if name == "-" else without_password(name)
        self.window: SlidingWindow | None = None  # once the source is open
        self.frames = 0  # read so far
        self.dropped = 0  # of these, those of units for which the network was too slow
        self.reopened = 0  # how often
        self.stopped = threading.Event()
        self._units: deque[Unit] = deque()
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._heard = time.monotonic()

    def run(self) -> None:
        try:
            self._read_again()
        except Exception as error:  # of any transform, for the thread that takes the units
            self._error = error
        self.stop()

    def stop(self) -> None:
        """Read no further."""
        with self._changed:
            self.stopped.set()
            self._changed.notify_all()

    def take(self, seconds: float) -> list[Unit] | None:
        """Take the units that wait, each right after the other; none if none comes in time.

        Returns:
            At most as many as a window has; None at the end.

        Raises:
            StreamError: the source cannot be opened, has broken off for good, or hangs.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._units or self.stopped.is_set(), seconds)
            if not self._units:
                if self._error:
                    raise self._error
                if time.monotonic() - self._heard > 3 * self.timeout:  # a driver that hangs
                    raise StreamError(f"{self.shown}: silent for {3 * self.timeout:g} s")
                return None if self.stopped.is_set() else []
            units = [self._units.popleft()]
            while self._units and self._units[0].follows:
                units.append(self._units.popleft())
            self._changed.notify_all()
            return units

    def _read_again(self) -> None:
        left, most = self.tries, 0
        while not self.stopped.is_set():
            last = self._connect()
            if self.stopped.is_set() or (self.frames and last.is_file and last.is_whole):
                return
            # A file begins again at its start: only what goes further is no failed try.
            left = self.tries if last.frames > (most if last.is_file else 0) else left - 1
            most = max(most, last.frames)
            if self.source == "-" or last.is_cut or not self.frames or left <= 0:
                raise StreamError(f"{self.shown}: {last.reason}")
            print(f"{self.shown}: {last.reason}; opening it again", file=sys.stderr)
            self.stopped.wait(PAUSE)
            self.reopened += 1

    def _connect(self) -> Connection:
        """Read from the source until it ends or breaks off."""
        self._heard, last = time.monotonic(), Connection(is_file=self.source == "-")
        try:
            with open_live(self.source, self.timeout, self.pipe) as video:
                last.kind, last.lasts = video.format.name, announced_seconds(video)
                last.is_file = last.is_file or bool(video.duration or video.size > 0)
                self._read(video, last)
        except (StreamError, BadVideoError) as error:
            late = getattr(error, "kind", None) is BadVideoKind.TIMEOUT
            last.reason = without_password(str(error).removeprefix(f"{self.shown}: "))
            if "mp4" in last.kind and not self.frames:
                last.reason += "; an mp4 streams only with its index first (+faststart)"
        else:
            late = self.pipe.silent
            last.ended = not late
            last.reason = f"it ended after {last.reached:.1f} s"
            last.reason += f" of {last.lasts:.1f}" if last.lasts else ""
        if late:
            last.reason = f"no frame within {self.timeout:g} s"
        return last

    def _read(self, video: InputContainer, connection: Connection) -> None:
        stream, reformatter = video.streams.video[0], VideoReformatter()
        unit = stream.time_base or Fraction(1)
        rate = frame_rate(stream) or 25
        window = self.window = self.window or self.make_window(rate)
        offsets, index, size = window.offsets.tolist(), 0, None
        images: dict[int, np.ndarray] = {}
        first = last = None
        for frame in decode_all(video, self.shown, strict=False):
            if self.stopped.is_set():
                return
            if size not in (None, (frame.width, frame.height)):  # begin anew
                index = 0
            size, self._heard = (frame.width, frame.height), time.monotonic()
            following = index / rate if last is None else last + 1 / rate
            shown = following if frame.pts is None else float(frame.pts * unit)
            if last is not None and shown < last - 1:  # a clock that begins anew
                index, first = 0, shown - connection.reached
            first, last = shown if first is None else first, shown
            connection.reached = max(connection.reached, shown - first + 1 / rate)
            place = index % window.section
            if place == 0:
                start, images = shown, {}
            if place in offsets:
                images[place] = to_rgb(frame, reformatter, self.shown)
            index, self.frames = index + 1, self.frames + 1
            connection.frames += 1
            if place == window.section - 1:
                inputs = window.format([images[offset] for offset in offsets], 1)
                follows = index > window.section
                self._put(Unit(inputs, start, shown + 1 / rate, self._heard, follows), window)

    def _put(self, unit: Unit, window: SlidingWindow) -> None:
        with self._changed:
            if self.keep_all:
                self._changed.wait_for(lambda: not self._units or self.stopped.is_set())
            self._units.append(unit)
            if len(self._units) > window.units:
                self._units.popleft()
                self._units[0].follows = False
                self.dropped += window.section
            self._changed.notify_all()


def score_live(reader: Reader, patience: float = 0.1) -> Iterator[dict | None]:
    """Score the latest window whenever new units have come; None where none came in time.

    A result has the window's ``start`` and ``end``, its ``scores`` (classes,), its last frame as
    the network sees it, ``image`` (H, W, 3), and the seconds since that was read, ``delay``.
    """
    units: list[Unit] = []  # the latest window so far
    recent = torch.empty(0)  # and its features
    while (taken := reader.take(patience)) is not None:
        window = reader.window
        if not taken or window is None:
            yield None
            continue
        seen = window.see([unit.inputs for unit in taken])
        if taken[0].follows and units:
            seen, taken = torch.cat((recent, seen)), units + taken
        recent, units = seen[-window.units :], taken[-window.units :]
        if len(units) == window.units:
            scores = window.score(recent[None])[0]
            delay = time.monotonic() - units[-1].read
            image = units[-1].inputs[0, 0, :, -1].transpose(1, 2, 0)
            yield dict(start=units[0].start, end=units[-1].end, scores=scores, delay=delay,
                       image=image)  # fmt: skip
