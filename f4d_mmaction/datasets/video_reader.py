"""Reading videos: each needed frame once, on any read, and no frame in place of another.

FFmpeg through PyAV. decord returns wrong frames from open groups of pictures and where a container
keeps no presentation times (AVI with B-frames); torchcodec ends silently in damaged files, and has
neither a strict mode nor a time limit.
"""

import math
import os
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.video.reformatter import VideoReformatter

from .video_errors import (
    BadVideoError,
    BadVideoKind,
    bad,
    check_is_video,
    is_video_header,
    missing_bytes,
    read_head,
)

# What PyAV raises over bad input: its own errors, and Python's for what it cannot represent.
_AV_ERRORS = (av.FFmpegError, OSError, ValueError, OverflowError, ZeroDivisionError, EOFError)
_PYAV = int(av.__version__.split(".")[0])
# What may be opened as a video: no playlist, which would name other files of this machine.
FORMATS = "matroska,mov,avi,mpegts,mpeg,mpegvideo,asf,flv,live_flv,kux,ogg,nut,mjpeg,m4v,h261,h263"
FORMATS += ",h264,hevc,vvc,vc1,ivf,obu,av1,dirac,cavsvideo,dv,gif,mxf,gxf,wtv,rm,dhav,nsv,nuv,pva"
FORMATS += ",ty,swf,yuv4mpegpipe"
_LOCAL = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
_IGNORE: dict = {"metadata_errors": "ignore"} if _PYAV < 19 else {}  # PyAV 19 always does
# Since version 17 PyAV converts a frame in as many threads as there are cores: slower for frames of
# this size, and workers would fight over the cores.
_ONE_THREAD = {"threads": 1} if _PYAV >= 17 else {}
# Some encoders only estimate the frame count in the header, so it cannot show losses below a tenth.
_ANNOUNCED_SHARE = 0.9
_TRIED = 40  # packets that tell fields from frames
_START = (0, 0)  # index of a frame, and position of the packet from which it is decoded
MAX_PIXELS = 2**25


def video_file(path: str | os.PathLike) -> str:
    """Return the file that a list names, which may leave .mp4 out, as for ``DecordInit``."""
    path = os.fspath(path)
    return path if os.path.splitext(path)[1] or os.path.exists(path) else f"{path}.mp4"


def open_video(
    path: str,
    time_limit: float | None = None,
    strict: bool = True,
    max_pixels: int = MAX_PIXELS,
    threads: int = 1,
) -> InputContainer:
    """Open a local video by its contents; its first video stream is then ready to decode.

    Arguments are those of ``VideoReader``, and the decoder's ``threads``, 0 for one per core.
    ``BadVideoError`` if it is no video, too large, or shorter than it says.
    """
    head = read_head(path)
    check_is_video(path, head)
    if lost := missing_bytes(path, head):
        raise bad(BadVideoKind.TRUNCATED, path, f"at least {lost} bytes are missing")
    try:
        # By its absolute path, so that no name is taken for a protocol.
        container = av.open(
            os.path.abspath(path), container_options=_LOCAL, timeout=time_limit, **_IGNORE
        )
    except _AV_ERRORS as error:
        if isinstance(error, av.ExitError):
            raise _late(path, time_limit) from error
        if not is_video_header(head):
            raise bad(BadVideoKind.GARBAGE, path, "no container that is read here") from error
        if isinstance(error, av.EOFError):
            raise bad(BadVideoKind.NO_FRAMES, path, "nothing after its header") from error
        raise bad(BadVideoKind.DAMAGED, path, f"its index cannot be read ({error})") from error
    try:
        if not container.streams.video:
            raise bad(BadVideoKind.NO_FRAMES, path, "no video stream")
        context = container.streams.video[0].codec_context
        if context is None or context.codec is None:
            raise bad(BadVideoKind.GARBAGE, path, "no decoder for its video stream")
        _check_size(path, context, max_pixels)
        context.thread_type = "AUTO"
        context.thread_count = threads
        if strict:
            context.options = {"err_detect": "explode"}
    except BaseException:
        container.close()
        raise
    return container


def read_packets(
    video: InputContainer, path: str, time_limit: float | None = None
) -> Iterator[av.Packet]:
    """Yield the compressed packets of the first video stream in stored order.

    ``BadVideoError`` if it is damaged, or not consumed within ``time_limit`` seconds.
    """
    started = time.monotonic()
    try:
        for packet in video.demux(video.streams.video[0]):
            if time_limit is not None and time.monotonic() - started > time_limit:
                raise _late(path, time_limit)
            if packet.size:  # the last one is empty
                yield packet
    except BadVideoError:
        raise
    except _AV_ERRORS as error:
        if isinstance(error, (av.ExitError, TimeoutError)):
            raise _late(path, time_limit) from error
        raise bad(BadVideoKind.DAMAGED, path, f"its packets: {error}") from error


def decode_packet(
    video: InputContainer, packet: av.Packet | None, path: str, strict: bool = True
) -> list[av.VideoFrame]:
    """Decode a packet, or with None what is held; ``BadVideoError`` at damage if ``strict``."""
    try:
        frames = video.streams.video[0].codec_context.decode(packet)
    except _AV_ERRORS as error:
        if not strict:
            return []
        raise bad(BadVideoKind.DAMAGED, path, f"decoding: {error}") from error
    if strict and any(part.is_corrupt for part in [packet, *frames] if part is not None):
        raise bad(BadVideoKind.DAMAGED, path, "a frame is incomplete")
    return frames


def decode_all(
    video: InputContainer, path: str, time_limit: float | None = None, strict: bool = True
) -> Iterator[av.VideoFrame]:
    """Decode an open video from its start, one frame after the other in display order."""
    first = None
    for packet in chain(read_packets(video, path, time_limit), [None]):
        first = packet.pts if first is None and packet is not None else first
        yield from decode_packet(video, packet, path, strict and not leads(packet, first))


def frame_rate(stream: av.VideoStream) -> float:
    """Frames per second, 0 where unknown."""
    average, guessed = (float(rate or 0) for rate in (stream.average_rate, stream.guessed_rate))
    # Of some files FFmpeg averages the ticks of a clock, or counts an AVI's empty chunks.
    least = 2 if stream.container.format.name == "avi" else 4
    return guessed if 0 < least * guessed <= average else average or guessed


def leads(packet: av.Packet | None, first: float | None) -> bool:
    """Whether a packet's frame is shown before ``first``, the time of the file's first packet.

    In a file cut out of a longer one it refers to frames that are not there. Players drop it.
    """
    return not (packet is None or packet.pts is None or first is None) and packet.pts < first


def starts_anew(packet: av.Packet) -> bool:
    """Whether a keyframe makes H.264 forget all frames before it; others may yet dismiss them."""
    if packet.stream.codec_context.name != "h264":
        return True
    data, place = bytes(packet), 0
    if data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return any(unit[0] & 31 == 5 for unit in data.split(b"\0\0\1") if unit)
    while place + 4 < len(data) and data[place + 4] & 31 != 5:  # each after its length
        place += 4 + int.from_bytes(data[place : place + 4], "big")
    return place + 4 < len(data)


def to_rgb(frame: av.VideoFrame, reformatter: VideoReformatter, path: str) -> np.ndarray:
    """Convert a frame to RGB (H, W, 3) of uint8, turned and mirrored as players show it.

    ``BadVideoError`` if its pixels cannot be converted.
    """
    try:
        image = reformatter.reformat(frame, format="rgb24", **_ONE_THREAD).to_ndarray()
    except _AV_ERRORS as error:
        raise bad(BadVideoKind.DAMAGED, path, f"color conversion: {error}") from error
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, Buffer):
        return image
    # A pixel at (x, y) is shown at (a x + c y, b x + d y), but for a shift.
    a, b, _, c, d = np.frombuffer(memoryview(matrix), np.int32)[:5].astype(int)
    if abs(a) + abs(d) < abs(b) + abs(c):
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


class _Packet(NamedTuple):
    """What a reader notes of a compressed packet, in ticks of the stream's clock."""

    time: int | None  # at which it is shown
    lasts: int
    decoded: int  # at which it is decoded
    is_key: bool
    is_shown: bool

    @classmethod
    def of(cls, packet: av.Packet) -> "_Packet":
        # An edit list cuts frames, and VP8 hides some.
        hidden = packet.stream.codec_context.name == "vp8" and not memoryview(packet)[0] & 0x10
        is_shown = not (packet.is_discard or hidden)
        return cls(packet.pts, packet.duration or 0, packet.dts or 0, packet.is_keyframe, is_shown)


@dataclass(eq=False)
class VideoReader:
    """Frames of one video by index, in display order.

    Opening reads the compressed packets once: this counts the frames, which headers do not know,
    and tells truncated files. Packets that may be single fields of frames are also decoded. Every
    read opens the file again and ends with its decoder, so that none depends on the reads before;
    between them no file is open.

    Args:
        path: A local file.
        time_limit: Seconds for opening, and again for each read; None for no limit.
        strict: Refuse videos in which the decoder meets an error on the way to a wanted frame.
            FFmpeg hides errors otherwise, by painting over what is lost.
        max_pixels: Largest width * height.

    Attributes:
        average_fps: Frames per second; 0 where the container does not know.

    Raises:
        BadVideoError: the file cannot be used; its ``kind`` says why.
    """

    path: str
    time_limit: float | None = None
    strict: bool = True
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        self._explode, is_cut = self.strict, False
        with self._open() as video:
            packets: list[_Packet] = []
            for packet in read_packets(video, self.path, self.time_limit):
                is_cut = is_cut if packets else not starts_anew(packet)
                packets.append(_Packet.of(packet))
            _check_whole(video, packets, self.path)
            self.average_fps = frame_rate(video.streams.video[0])
            is_avi, context = video.format.name == "avi", video.streams.video[0].codec_context
            reorders, order = context.has_b_frames, getattr(context, "field_order", 0)
            may_interlace = context.name == "h264" and order != 1  # progressive
        times = [packet.time for packet in packets if packet.time is not None]
        shown = [packet.time for packet in packets if packet.is_shown and packet.time is not None]
        # What follows a cut in an open group of pictures may dismiss frames that are not there.
        is_cut = is_cut or min(times, default=0) < (times or [0])[0]
        self._explode = self.strict and not is_cut
        # AVI keeps no presentation times, and some files of other containers keep times of decoding
        # in their place, which do not number frames that the decoder reorders.
        timed = not (is_avi or len(times) < len(packets) or (reorders and shown == sorted(shown)))
        self._first, self._length = -math.inf, sum(packet.is_shown for packet in packets)
        self._rank: dict[int | None, int] | None = None
        self._entries = [_START]
        if may_interlace and (interlaced := self._interlaced()):  # packets may be single fields
            shown, self._length = interlaced, len(interlaced)
        if timed and len(set(shown)) == len(shown):
            shown = sorted(self._decodable(shown, times[0]))
            self._first, self._length = times[0], len(shown)
            self._rank = {time: rank for rank, time in enumerate(shown)}
            self._entries = _entries(packets, times, self._rank)
        if not self._length:
            raise bad(BadVideoKind.NO_FRAMES, self.path, "no frame of it is to be shown")

    def __len__(self) -> int:
        return self._length

    def read(self, indices: Iterable[int]) -> list[np.ndarray]:
        """Decode frames: one RGB array (H, W, 3) of uint8 per index.

        Raises:
            BadVideoError: damaged, too large, or out of time.
            IndexError: an index outside the video.
        """
        indices = [int(index) for index in indices]
        wanted = sorted(set(indices))
        if wanted and not 0 <= wanted[0] <= wanted[-1] < len(self):
            raise IndexError(
                f"{self.path} has frames 0 to {len(self) - 1}, asked for {wanted[0]} to "
                f"{wanted[-1]}; the sampler's start_index must be 0 for videos"
            )
        try:
            images = self._decode(wanted, self._entries)
        except BadVideoError as error:
            # Frames of some encoders refer to others beyond a keyframe.
            if error.kind is not BadVideoKind.DAMAGED or self._entries == [_START]:
                raise
            images = self._decode(wanted, [_START])
        return [images[index] for index in indices]

    def _open(self) -> InputContainer:
        return open_video(self.path, self.time_limit, self._explode, self.max_pixels)

    def _interlaced(self) -> list[int]:
        """Times of all frames, if packets are fields of them: only decoding tells."""
        times: list[int] = []
        with open_video(self.path, self.time_limit, False, self.max_pixels) as video:
            packets = chain(read_packets(video, self.path, self.time_limit), [None])
            for count, packet in enumerate(packets):
                frames = decode_packet(video, packet, self.path, strict=False)
                times += [frame.pts or 0 for frame in frames]
                if count == _TRIED and len(times) > 0.6 * _TRIED:  # a packet holds a frame
                    return []
        return times

    def _decodable(self, shown: list[int], first: int) -> list[int]:
        """Drop the times of frames at the start that refer to others before the file was cut."""
        if min(shown, default=first) >= first:
            return shown
        with self._open() as video:
            frame = next(decode_all(video, self.path, self.time_limit, self.strict), None)
        start = None if frame is None else frame.pts
        return [time for time in shown if start is not None and time >= start]

    def _decode(self, wanted: list[int], entries: list[tuple[int, int]]) -> dict[int, np.ndarray]:
        """Decode from the last of ``entries`` before each wanted frame.

        On files of some minutes this saves most of the work (docs/performance.md).
        """
        images: dict[int, np.ndarray] = {}
        missing = set(wanted)
        reformatter = VideoReformatter()
        upcoming, jumped = 0, False  # index of the frame that the decoder shows next
        with self._open() as video:
            packets = chain(read_packets(video, self.path, self.time_limit), [None])
            for position, packet in enumerate(packets):
                if not missing:
                    break
                place = bisect_right(entries, (wanted[len(images)], math.inf)) - 1
                first, start = entries[place]
                if position < start:
                    jumped = True
                    continue
                if jumped:
                    video.streams.video[0].codec_context.flush_buffers()
                    upcoming, jumped = first, False
                strict = self.strict and not leads(packet, self._first)
                for frame in decode_packet(video, packet, self.path, strict):
                    index = upcoming if self._rank is None else self._rank.get(frame.pts, -1)
                    if self.strict and index != upcoming:
                        detail = f"the decoder shows another frame in place of frame {upcoming}"
                        raise bad(BadVideoKind.DAMAGED, self.path, detail)
                    upcoming += 1
                    if index in missing:
                        missing.discard(index)
                        _check_size(self.path, frame, self.max_pixels)
                        images[index] = to_rgb(frame, reformatter, self.path)
        if missing:
            detail = f"of {len(self)} frames announced, frame {min(missing)} cannot be decoded"
            raise bad(BadVideoKind.DAMAGED, self.path, detail)
        if len({image.shape for image in images.values()}) > 1:
            raise bad(BadVideoKind.DAMAGED, self.path, "frames differ in size")
        return images


def _entries(packets: list[_Packet], times: list[int], rank: dict) -> list[tuple[int, int]]:
    """Where decoding may start: the beginning, and keyframes that part the video.

    All packets before one are shown before it, and all after it later.
    """
    latest = np.maximum.accumulate(times)
    earliest = np.minimum.accumulate(times[::-1])[::-1]
    keys = (i for i, packet in enumerate(packets) if i and packet.is_key and packet.time in rank)
    parting = (i for i in keys if latest[i - 1] < times[i] == earliest[i])
    return [_START, *((rank[times[i]], i) for i in parting)]


def _check_whole(video: InputContainer, packets: list[_Packet], path: str) -> None:
    """Refuse a video without packets, or with fewer than the container announces."""
    if not packets:
        raise bad(BadVideoKind.NO_FRAMES, path, "the video stream has no frames")
    stream, there = video.streams.video[0], len(packets)
    announced, rate, unit = stream.frames, stream.average_rate, stream.time_base
    if video.format.name == "avi":  # counts and numbers an empty chunk for each frame left out
        there = max(there, 1 + max(packet.decoded for packet in packets))
    # With sound the duration is that of the longer stream.
    if not announced and rate and unit and video.duration and len(video.streams) == 1:
        seconds = video.duration / av.time_base
        last = max((p.time + p.lasts for p in packets if p.time is not None), default=0)
        # Frames at a varying rate may be fewer than rate and duration say, but reach the end.
        if last * float(unit) < _ANNOUNCED_SHARE * seconds:
            announced = int(float(rate) * seconds)
    if there < _ANNOUNCED_SHARE * announced and "mp4" in video.format.name:
        options = {**_LOCAL, "ignore_editlist": "1"}  # an edit may show less than the file holds
        with av.open(os.path.abspath(path), container_options=options, **_IGNORE) as whole:
            there = sum(1 for _ in read_packets(whole, path))
    if there < _ANNOUNCED_SHARE * announced:
        counts = f"{there} of {announced} announced frames are there"
        raise bad(BadVideoKind.TRUNCATED, path, counts)


def _check_size(path: str, frame: av.VideoFrame | av.VideoCodecContext, max_pixels: int) -> None:
    if frame.width * frame.height > max_pixels:
        detail = f"frames of {frame.width} x {frame.height} exceed max_pixels={max_pixels}"
        raise bad(BadVideoKind.TOO_LARGE, path, detail)


def _late(path: str, time_limit: float | None) -> BadVideoError:
    return bad(BadVideoKind.TIMEOUT, path, f"not read within {time_limit} s")
