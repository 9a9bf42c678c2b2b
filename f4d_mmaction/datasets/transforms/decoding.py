"""Reading videos: each file once, each needed frame once, and no frame in place of another.

FFmpeg through PyAV, not decord: decord's ``get_batch`` returns wrong frames from open groups of
pictures and where a container keeps no presentation times (AVI with B-frames), and repeats frames
silently where a stream is damaged. On other sound files the frames are equal bit for bit.
"""

from __future__ import annotations

import math
import os
import time
from bisect import bisect_right
from itertools import groupby

import av
import cv2
import mmcv
import numpy as np
from av.video.reformatter import VideoReformatter
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine.fileio import get

from f4d_mmaction.datasets.video_errors import (
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
# Since version 17 PyAV converts a frame in as many threads as there are cores: slower for frames of
# this size, and workers would fight over the cores.
_ONE_THREAD = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}
# Frame counts in headers are estimates in some encoders; losses below a tenth are not told by them.
_ANNOUNCED_SHARE = 0.9


class _UntimedError(Exception):
    """The container's presentation times do not number the frames; they have to be counted."""


class VideoReader:
    """Frames of one video by index, in display order.

    Opening reads the compressed packets of the whole file once: this counts the frames (headers
    do not know), tells truncated files, and lets decoding start at the keyframe before a wanted
    frame without seeking in the file, which is inexact in several containers.

    Args:
        path: A local file.
        time_limit: Seconds for opening and decoding together; None for no limit.
        strict: Refuse videos in which the decoder meets an error on the way to a wanted frame.
            FFmpeg hides errors otherwise, by painting over what is lost.
        max_pixels: Largest width * height.

    Raises:
        BadVideoError: the file cannot be used; its ``kind`` says why.
    """

    def __init__(
        self,
        path: str,
        time_limit: float | None = None,
        strict: bool = True,
        max_pixels: int = 2**25,
    ) -> None:
        self.path = path
        self.strict = strict
        self.max_pixels = max_pixels
        self._time_limit = time_limit
        self._deadline = None if time_limit is None else time.monotonic() + time_limit
        head = read_head(path)
        check_is_video(path, head)
        self._container = self._open(head)
        try:
            self._index(head)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return self._length

    @property
    def average_fps(self) -> float:
        """Frames per second; 0 where the container does not know."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate else 0.0

    def read(self, indices: np.ndarray) -> list[np.ndarray]:
        """Decode frames.

        Args:
            indices: Frame indices in ascending order, without repeats.

        Returns:
            One RGB array (H, W, 3) of uint8 per index.

        Raises:
            BadVideoError: damaged, too large, or out of time.
            IndexError: an index outside the video.
        """
        wanted = [int(index) for index in indices]
        if wanted and not 0 <= wanted[0] <= wanted[-1] < len(self):
            raise IndexError(
                f"{self.path} has frames 0 to {len(self) - 1}, asked for {wanted[0]} to "
                f"{wanted[-1]}; the sampler's start_index must be 0 for videos"
            )
        try:
            frames = self._read_from_keyframes(wanted)
        except (_UntimedError, BadVideoError) as error:
            if getattr(error, "kind", BadVideoKind.DAMAGED) is not BadVideoKind.DAMAGED:
                raise
            frames = self._read_from_start(wanted, timed=isinstance(error, BadVideoError))
        lost = [index for index in wanted if index not in frames]
        if lost:
            raise bad(
                BadVideoKind.DAMAGED,
                self.path,
                f"of {len(self)} frames announced, frame {lost[0]} cannot be decoded",
            )
        if len({frame.shape for frame in frames.values()}) > 1:
            raise bad(BadVideoKind.DAMAGED, self.path, "frames differ in size")
        return [frames[index] for index in wanted]

    def close(self) -> None:
        """Release the file and the decoder."""
        self._packets = []
        self._container.close()

    def _open(self, head: bytes) -> av.container.InputContainer:
        """Open the container by its absolute path, so that no name is taken for a protocol."""
        try:
            return av.open(
                os.path.abspath(self.path),
                metadata_errors="ignore",
                timeout=self._time_limit,
                options={"protocol_whitelist": "file"},
            )
        except _AV_ERRORS as error:
            self._check_time()
            if not is_video_header(head):
                raise bad(BadVideoKind.GARBAGE, self.path, "no known container") from error
            self._check_length(head)
            if isinstance(error, av.EOFError):
                raise bad(BadVideoKind.NO_FRAMES, self.path, "nothing after its header") from error
            raise bad(
                BadVideoKind.DAMAGED, self.path, f"its index cannot be read ({error})"
            ) from error

    def _index(self, head: bytes) -> None:
        """Read all packets and number the frames in display order."""
        self._check_length(head)
        if not self._container.streams.video:
            raise bad(BadVideoKind.NO_FRAMES, self.path, "no video stream")
        self._stream = self._container.streams.video[0]
        context = self._stream.codec_context
        if context is None or context.codec is None:
            raise bad(BadVideoKind.GARBAGE, self.path, "no decoder for its video stream")
        context.thread_type = "NONE"
        context.thread_count = 1
        if self.strict:
            context.options = {"err_detect": "explode"}
        self._check_size(context.width, context.height)

        self._packets = []
        try:
            for packet in self._container.demux(self._stream):
                self._check_time()
                if packet.size:  # the last one is empty: "flush"
                    self._packets.append(packet)
        except BadVideoError:
            raise
        except _AV_ERRORS as error:
            self._check_time()
            raise bad(BadVideoKind.DAMAGED, self.path, f"its packets: {error}") from error

        if not self._packets:
            raise bad(BadVideoKind.NO_FRAMES, self.path, "the video stream has no frames")
        announced = self._announced()
        if len(self._packets) < _ANNOUNCED_SHARE * announced:
            raise bad(
                BadVideoKind.TRUNCATED,
                self.path,
                f"{len(self._packets)} of {announced} announced frames are there",
            )

        shown = [packet.pts for packet in self._packets if self._is_shown(packet)]
        self._length = len(shown)
        if not shown:
            raise bad(BadVideoKind.NO_FRAMES, self.path, "no frame of it is to be shown")
        # Without unique presentation times frames can only be counted from the first one on.
        timed = None not in shown and len(set(shown)) == len(shown)
        self._rank = {pts: rank for rank, pts in enumerate(sorted(shown))} if timed else None
        self._keys = [
            position
            for position, packet in enumerate(self._packets)
            if timed and packet.is_keyframe and packet.pts in self._rank
        ]
        self._key_ranks = [self._rank[self._packets[position].pts] for position in self._keys]

    def _is_shown(self, packet: av.Packet) -> bool:
        """Whether a packet yields a frame: not if an edit list cuts it, or if VP8 hides it."""
        hidden = self._stream.codec_context.name == "vp8" and not memoryview(packet)[0] & 0x10
        return not (packet.is_discard or hidden)

    def _announced(self) -> int:
        """Frames that the container says it holds; 0 where it does not say."""
        if self._stream.frames:
            return self._stream.frames
        rate, duration = self._stream.average_rate, self._container.duration
        # With sound the duration is that of the longer stream.
        if not rate or not duration or len(self._container.streams) > 1:
            return 0
        seconds = duration / av.time_base
        # Frames at a varying rate may be fewer than rate and duration say, but reach the end.
        last = max(packet.pts or 0 for packet in self._packets) * self._stream.time_base
        return int(rate * seconds) if last < _ANNOUNCED_SHARE * seconds else 0

    def _key_before(self, index: int) -> int:
        """Position of the packet from which decoding must start to show frame ``index``."""
        place = bisect_right(self._key_ranks, index)
        return self._keys[place - 1] if place else 0

    def _read_from_keyframes(self, wanted: list[int]) -> dict[int, np.ndarray]:
        """Decode from keyframe to wanted frames, and jump where a later keyframe saves work."""
        frames: dict[int, np.ndarray] = {}
        self._next, self._first_time = 0, -math.inf
        self._in_order, self._time = True, -math.inf
        position = 0
        for start, group in groupby(wanted, self._key_before):
            if start > position:
                self._stream.codec_context.flush_buffers()
                position = start
                self._first_time = self._packets[start].pts
                self._next = self._rank[self._first_time]
            position = self._decode(position, set(group), set(wanted), frames)
        return frames

    def _read_from_start(self, wanted: list[int], timed: bool) -> dict[int, np.ndarray]:
        """Decode without jumps, which a frame's references may reach across, or without times."""
        self._keys = self._key_ranks = []
        self._stream.codec_context.flush_buffers()
        if timed:
            try:
                return self._read_from_keyframes(wanted)
            except _UntimedError:
                self._stream.codec_context.flush_buffers()
        self._rank = None
        frames = self._read_from_keyframes(wanted)
        if self.strict and self._in_order:  # then the times are right and a frame is missing
            raise bad(BadVideoKind.DAMAGED, self.path, "the decoder skips a frame")
        return frames

    def _decode(
        self,
        position: int,
        missing: set[int],
        wanted: set[int],
        frames: dict[int, np.ndarray],
    ) -> int:
        """Feed packets from ``position`` until no frame of ``missing`` is missing.

        Returns:
            The position of the next packet.
        """
        context = self._stream.codec_context
        reformatter = VideoReformatter()
        missing -= frames.keys()
        for packet in [*self._packets[position:], None]:
            if not missing:
                break
            self._check_time()
            position += packet is not None
            if packet is not None and self._leads(packet):
                continue
            for frame in self._decode_packet(context, packet):
                index = self._number(frame)
                if index in wanted and index not in frames:
                    frames[index] = self._to_rgb(reformatter, frame)
                    missing.discard(index)
        return position

    def _leads(self, packet: av.Packet) -> bool:
        """Whether a packet follows the keyframe of a jump but is shown before it.

        Its frame refers to others that were jumped over, and nothing wanted refers to it.
        """
        return packet.pts is not None and packet.pts < self._first_time

    def _number(self, frame: av.VideoFrame) -> int:
        """Index of the frame that the decoder shows next.

        Raises:
            _UntimedError: the packets' times do not number the frames.
        """
        if self._rank is not None:
            if self._rank.get(frame.pts) != self._next:
                raise _UntimedError
        elif frame.pts is None or frame.pts <= self._time:
            self._in_order = False
        self._time = -math.inf if frame.pts is None else frame.pts
        self._next += 1
        return self._next - 1

    def _decode_packet(
        self, context: av.VideoCodecContext, packet: av.Packet | None
    ) -> list[av.VideoFrame]:
        """Decode one packet; in strict mode every sign of damage is an error."""
        try:
            decoded = context.decode(packet)
        except _AV_ERRORS as error:
            if not self.strict:
                return []
            raise bad(BadVideoKind.DAMAGED, self.path, f"decoding: {error}") from error
        incomplete = any(part.is_corrupt for part in [packet, *decoded] if part is not None)
        if self.strict and incomplete:
            raise bad(BadVideoKind.DAMAGED, self.path, "a frame is incomplete")
        return decoded

    def _to_rgb(self, reformatter: VideoReformatter, frame: av.VideoFrame) -> np.ndarray:
        """Convert a frame to RGB (H, W, 3), turned upright as players show it."""
        self._check_size(frame.width, frame.height)
        try:
            image = reformatter.reformat(frame, format="rgb24", **_ONE_THREAD).to_ndarray()
        except _AV_ERRORS as error:
            raise bad(BadVideoKind.DAMAGED, self.path, f"colour conversion: {error}") from error
        turns = round(getattr(frame, "rotation", 0) / 90) % 4
        return np.rot90(image, turns).copy() if turns else image

    def _check_length(self, head: bytes) -> None:
        lost = missing_bytes(self.path, head)
        if lost:
            raise bad(BadVideoKind.TRUNCATED, self.path, f"at least {lost} bytes are missing")

    def _check_time(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise bad(BadVideoKind.TIMEOUT, self.path, f"not read within {self._time_limit} s")

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self.max_pixels:
            raise bad(
                BadVideoKind.TOO_LARGE,
                self.path,
                f"frames of {width} x {height} exceed max_pixels={self.max_pixels}",
            )


@TRANSFORMS.register_module()
class InitVideo(BaseTransform):
    """Open a video, in the place of MMAction2's ``DecordInit``.

    Required keys: ``filename``. Added keys: ``video_reader``, ``total_frames``, ``avg_fps``.

    Args:
        time_limit: Seconds for one video; None for no limit. It is checked between packets, so no
            signal or thread is needed; a file system that hangs inside a read is beyond it.
        strict: Refuse videos in which the decoder meets an error on the way to a wanted frame.
        max_pixels: Largest width * height of a frame.

    Raises:
        BadVideoError: the file cannot be used; its ``kind`` says why.
    """

    def __init__(
        self, time_limit: float | None = 60.0, strict: bool = True, max_pixels: int = 2**25
    ) -> None:
        if time_limit is not None and not time_limit > 0:
            raise ValueError(f"time_limit must be positive seconds or None, got {time_limit!r}")
        self.time_limit = time_limit
        self.strict = strict
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict:
        """Add the open reader and what the samplers need of it."""
        path = os.fspath(results["filename"])
        if not os.path.splitext(path)[1]:
            path += ".mp4"  # as DecordInit does
        reader = VideoReader(path, self.time_limit, self.strict, self.max_pixels)
        results["video_reader"] = reader
        results["total_frames"] = len(reader)
        results["avg_fps"] = reader.average_fps
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(time_limit={self.time_limit}, strict={self.strict}, "
            f"max_pixels={self.max_pixels})"
        )


class _DecodeOnce(BaseTransform):
    """Decode every needed frame once.

    Units overlap on short videos, so that ``frame_inds`` repeats. Resizing, cropping and flipping
    then run on the distinct frames, and ``FormatActionUnits`` puts frame ``unit_index[i]`` at place
    ``i``.

    Args:
        share: Keep the distinct frames alone. False repeats them, for pipelines that end in
            another transform than ``FormatActionUnits``.
    """

    def __init__(self, share: bool = True) -> None:
        self.share = share

    def transform(self, results: dict) -> dict:
        """Add ``imgs`` and, when frames are shared, ``unit_index`` (U*T,)."""
        indices = np.asarray(results["frame_inds"]).reshape(-1)
        distinct, unit_index = np.unique(indices, return_inverse=True)
        images = self._frames(results, distinct)
        if self.share:
            results["unit_index"] = unit_index
        else:
            images = [images[place].copy() for place in unit_index]
        results["frame_inds"] = indices
        results["imgs"] = images
        results["original_shape"] = results["img_shape"] = images[0].shape[:2]
        return results

    def _frames(self, results: dict, indices: np.ndarray) -> list[np.ndarray]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(share={self.share})"


@TRANSFORMS.register_module()
class DecodeUnits(_DecodeOnce):
    """Decode the sampled frames of a video and release it, in the place of ``DecordDecode``.

    Required keys: ``video_reader`` (of ``InitVideo``), ``frame_inds``. Added keys: ``imgs``
    (distinct frames (H, W, 3) in time order), ``unit_index``, ``img_shape``, ``original_shape``.

    Args:
        share: Keep the distinct frames alone; False repeats them, for ``FormatShape``.

    Raises:
        BadVideoError: damaged, too large, or out of time.
    """

    def _frames(self, results: dict, indices: np.ndarray) -> list[np.ndarray]:
        reader = results["video_reader"]
        results["video_reader"] = None
        try:
            return reader.read(indices)
        finally:
            reader.close()


@TRANSFORMS.register_module()
class DecodeRawUnits(_DecodeOnce):
    """Decode the sampled frames of a folder of pictures, in the place of ``RawFrameDecode``.

    Required keys: ``frame_dir``, ``filename_tmpl``, ``frame_inds``, ``modality``, ``offset``
    (optional). Added keys: as ``DecodeUnits``.

    Args:
        share: Keep the distinct frames alone; False repeats them, for ``FormatShape``.
        backend_args: Where the pictures are, as MMEngine's ``fileio`` takes it; None: local files.

    Raises:
        BadVideoError: a missing folder or frame, an empty, truncated or undecodable picture.
    """

    def __init__(self, share: bool = True, backend_args: dict | None = None) -> None:
        super().__init__(share)
        self.backend_args = backend_args

    def _frames(self, results: dict, indices: np.ndarray) -> list[np.ndarray]:
        if results["modality"] != "RGB":
            raise ValueError(
                f"DecodeRawUnits reads RGB frames, got modality {results['modality']!r}; "
                "use MMAction2's RawFrameDecode for others"
            )
        folder, offset = results["frame_dir"], results.get("offset", 0)
        images = [
            self._picture(folder, results["filename_tmpl"].format(index + offset))
            for index in indices
        ]
        if len({image.shape for image in images}) > 1:
            raise bad(BadVideoKind.DAMAGED, folder, "frames differ in size")
        return images

    def _picture(self, folder: str, name: str) -> np.ndarray:
        path = os.path.join(folder, name)
        try:
            data = get(path, self.backend_args)
        except (FileNotFoundError, NotADirectoryError):
            raise self._absent(folder, name) from None
        except OSError as error:
            raise bad(BadVideoKind.UNREADABLE, folder, f"{name}: {error}") from error
        if not data:
            raise bad(BadVideoKind.EMPTY, folder, f"{name} has zero bytes")
        # OpenCV fills the rest of a truncated JPEG with grey.
        if data.startswith(b"\xff\xd8") and b"\xff\xd9" not in data[-1024:]:
            raise bad(BadVideoKind.TRUNCATED, folder, f"{name} has no end marker")
        try:
            image = mmcv.imfrombytes(data, channel_order="rgb", backend="cv2")
        except cv2.error:
            image = None
        if image is None:
            raise bad(BadVideoKind.GARBAGE, folder, f"{name} cannot be decoded")
        return image

    @staticmethod
    def _absent(folder: str, name: str) -> BadVideoError:
        if not os.path.exists(folder):
            return bad(BadVideoKind.MISSING, folder, "no such folder")
        if not os.path.isdir(folder):
            return bad(BadVideoKind.UNREADABLE, folder, "not a folder")
        if not os.listdir(folder):
            return bad(BadVideoKind.EMPTY, folder, "the folder is empty")
        return bad(BadVideoKind.MISSING_FRAMES, folder, f"{name} is missing")
