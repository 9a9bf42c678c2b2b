"""Kinds of bad video files, and checks that recognize them without trusting the file."""

import os
import stat
from enum import Enum
from pathlib import Path

# A picture, an archive or a web page named .mp4 must not reach a decoder: FFmpeg plays a JPEG as a
# video of one frame, renders text, and follows the links of a playlist.
_NOT_VIDEO = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive",
    b"%PDF": "a PDF document",
    b"\x93NUMPY": "a NumPy array",
    b"ID3": "an audio file",
    b"fLaC": "an audio file",
}
_BOXES = (  # of mp4 and mov, at the top level
    b"ftyp moov mdat free skip wide styp moof mfra meta meco sidx ssix prft emsg pdin uuid".split()
)
_EBML = b"\x1aE\xdf\xa3"  # webm, mkv
_SEGMENT = b"\x18S\x80g"
_PACK = b"\0\0\1\xba"  # of an MPEG program stream
_TS_PACKET = 188  # bytes of each packet of an MPEG transport stream, which begins with 0x47


class BadVideoKind(str, Enum):
    """Kinds of bad videos, each with its meaning for the person who has to repair it."""

    MISSING = "missing"  # no such file or folder
    EMPTY = "empty"  # zero bytes, or a folder without frames
    UNREADABLE = "unreadable"  # no permission, a folder or a pipe in place of a file, I/O error
    WRONG_EXTENSION = "wrong_extension"  # a picture, archive, text, ... with a video's name
    GARBAGE = "garbage"  # no known container
    NO_FRAMES = "no_frames"  # a container without a video stream or without frames
    TRUNCATED = "truncated"  # the container announces more than the file holds
    DAMAGED = "damaged"  # the decoder reports errors, or a frame does not come out
    MISSING_FRAMES = "missing_frames"  # holes in a folder of frames
    TOO_LARGE = "too_large"  # frames beyond the limit of pixels
    TIMEOUT = "timeout"  # not read within the time limit


class BadVideoError(ValueError):
    """A video that cannot be used, with its ``kind`` and ``path``.

    The message alone rebuilds the error, because a ``DataLoader`` hands a worker's errors on so.
    """

    def __init__(
        self, message: str, kind: BadVideoKind = BadVideoKind.DAMAGED, path: str | os.PathLike = ""
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.path = str(path)


def bad(kind: BadVideoKind, path: str | os.PathLike, detail: str) -> BadVideoError:
    """Build the error for ``path``: one line with the path, the kind and the details."""
    return BadVideoError(f"{path}: {kind.value} video: {detail}", kind, path)


def read_head(path: str, size: int = 4096) -> bytes:
    """Return a regular file's first bytes; ``BadVideoError`` if missing, unreadable or empty."""
    try:
        status = os.stat(path)
        # Opening a named pipe would wait forever for a writer.
        if not stat.S_ISREG(status.st_mode):
            raise bad(BadVideoKind.UNREADABLE, path, "not a regular file")
        if status.st_size == 0:
            raise bad(BadVideoKind.EMPTY, path, "the file has zero bytes")
        with open(path, "rb") as file:
            return file.read(size)
    except (FileNotFoundError, NotADirectoryError):
        raise bad(BadVideoKind.MISSING, path, "no such file") from None
    except OSError as error:
        raise bad(BadVideoKind.UNREADABLE, path, str(error)) from error


def is_video_header(head: bytes) -> bool:
    """Tell whether the first bytes are those of mp4/mov, avi, webm/mkv."""
    return head[4:8] in _BOXES or _is_avi(head) or head.startswith(_EBML)


def check_is_video(path: str, head: bytes) -> None:
    """Refuse contents that are known not to be a video, whatever the file's name.

    ``BadVideoError`` tells of a wrong extension. A video in another container than its name says
    is fine: decoders go by the contents.
    """
    found = next((name for magic, name in _NOT_VIDEO.items() if head.startswith(magic)), None)
    if head.startswith(b"RIFF") and head[8:12] in (b"WAVE", b"WEBP"):
        found = "a picture or audio file"
    if found is None and _is_text(head):
        found = "text"
    if found is not None:
        suffix = Path(path).suffix or "no suffix"
        raise bad(BadVideoKind.WRONG_EXTENSION, path, f"{found} under the name of a {suffix} file")


def missing_bytes(path: str, head: bytes) -> int:
    """Number of bytes missing, by the container's own account; 0 if that is unknown.

    MPEG streams do not say how long they are: a cut between two of their packets is not seen.
    """
    size = os.path.getsize(path)
    if head[4:8] in _BOXES:
        end = _end_of_boxes(path, size)
    elif _is_avi(head):
        declared = int.from_bytes(head[4:8], "little")
        end = 0 if declared == 0xFFFFFFFF else declared + 8
    elif head.startswith(_EBML):
        end = _end_of_segment(head)
    elif head.startswith(_PACK):
        end = _end_of_pack(path, size)
    elif head[: 3 * _TS_PACKET : _TS_PACKET] == b"GGG":
        end = -(-size // _TS_PACKET) * _TS_PACKET
    else:
        end = 0
    return max(end - size, 0)


def _is_avi(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head[8:11] == b"AVI"


def _is_text(head: bytes) -> bool:
    # The last character may be cut in two.
    text = head[: len(head) - 4 if len(head) > 64 else None].decode("utf-8", "replace")
    return "\ufffd" not in text and all(c.isprintable() or c in "\r\n\t\f\ufeff" for c in text)


def _end_of_boxes(path: str, size: int) -> int:
    """Position at which the last top-level box of an mp4 file should end."""
    offset = 0
    with open(path, "rb") as file:
        while offset + 8 <= size:
            file.seek(offset)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:  # a 64-bit length follows the name
                length = int.from_bytes(header[8:16], "big")
            known = header[4:8] in _BOXES or offset + length <= size
            if length < 8 or not known:  # 0: to the end of the file; else no box, but a trailer
                return 0
            offset += length
    return offset


def _end_of_segment(head: bytes) -> int:
    """Position at which the segment of a webm file should end; 0 if unknown."""
    start = head.find(_SEGMENT)
    if start < 0 or start + 12 > len(head):
        return 0
    start += len(_SEGMENT)
    width = 9 - head[start].bit_length()  # the position of the first 1 is the length of the number
    if width > 8:
        return 0
    limit = 1 << 7 * width
    length = int.from_bytes(head[start : start + width], "big") % limit
    return 0 if length == limit - 1 else start + width + length


def _end_of_pack(path: str, size: int) -> int:
    """Where the last packet of an MPEG program stream ends by its own account."""
    with open(path, "rb") as file:
        start = file.seek(max(size - 2**18, 0))
        tail = file.read()
    place = max(tail.rfind(_PACK), 0)
    while tail[place : place + 3] == _PACK[:3]:
        kind, length = tail[place + 3 : place + 4], tail[place + 4 : place + 6]
        if kind == b"\xb9":  # the end, of four bytes
            return start + place + 4
        if kind == b"\xba":  # MPEG-1 has 12 bytes, MPEG-2 14 and as many as its last one says
            stuffing = tail[place + 13] & 7 if place + 13 < len(tail) else 0
            place += 14 + stuffing if length[:1] >= b"\x40" else 12
        else:
            place += 6 + int.from_bytes(length, "big")
    return start + place + (len(_PACK) + 2 if tail[place:] in (b"\0", b"\0\0") else 0)
