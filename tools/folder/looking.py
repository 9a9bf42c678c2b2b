"""A look at every video before training: decoded whole, shrunk, and described."""

import errno
import hashlib
import json
import os
import re
import resource
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import TimeoutError
from pathlib import Path

import cv2
import numpy as np
from pebble import ProcessExpired, ProcessPool
from rich.progress import track

from f4d_mmaction.datasets.streaming import stream_frames
from f4d_mmaction.datasets.video_reader import VideoReader
from f4d_mmaction.json_lines import read_json_lines
from f4d_mmaction.visualization.video import write_video

from .finding import Say, Video, printable, stamp

BACKGROUND = 16, 16  # pixels of the frame that describes the background
SAMPLES = 15  # frames whose median it is
NO_MEMORY = re.compile("allocate memory|failed to map segment")  # of a decoder; of its libraries
SPARE = 1.5  # videos of less than this multiple of the wanted side stay as they are


class CopyError(OSError):
    """A copy cannot be written, which is no fault of the video."""


def look(
    videos: Sequence[Video],
    folder: Path,
    short_side: int,
    workers: int,
    time_limit: float,
    gigabytes: float,
    say: Say,
) -> list[Video]:
    """Look at each video in processes of their own; return the good ones, each content once.

    ``looked.jsonl`` keeps what is found, so that a killed look goes on.

    Raises:
        OSError: a file of the folder cannot be written.
    """
    kept, bad = folder / "looked.jsonl", folder / "bad_videos.jsonl"
    known = {found["path"]: found for found in read_json_lines(kept)}
    # Bad ones again: rights, memory and time may be others now.
    sound = {path for path, found in known.items() if "error" not in found}
    new = [v for v in videos if v.path not in sound or known[v.path]["stamp"] != stamp(v.path)]
    jobs = [(v.path, folder / "videos" / _safe(v.label), short_side, gigabytes) for v in new]
    pool = ProcessPool(workers, initializer=_silence)
    try:
        answers = pool.map(_inspect, jobs, timeout=time_limit).result()
        with open(kept, "a", encoding="utf-8") as file:
            for video in track(new, "Looking at the videos", disable=not new):
                try:
                    found = next(answers)
                except CopyError:
                    raise
                except Exception as error:  # of any decoder; of a worker that hung or crashed
                    reason = str(error).removeprefix(f"{video.path}: ")
                    if isinstance(error, TimeoutError):
                        reason = f"not decoded within {time_limit:g} s (--time-limit)"
                    elif isinstance(error, ProcessExpired):
                        reason = "crashes the decoder, perhaps for want of memory"
                    elif isinstance(error, MemoryError) or NO_MEMORY.search(reason):
                        reason = (
                            f"needs more memory than {gigabytes:g} GiB (--memory), or a thread "
                        )
                        reason += "too many"
                    found = {"error": f"{video.path}: {reason}"}
                known[video.path] = {"path": video.path, "stamp": stamp(video.path), **found}
                # A killed look leaves half a line.
                file.write("\n" + json.dumps(known[video.path]))
                file.flush()
    finally:
        pool.stop()
        pool.join()
        for part in (folder / "videos").glob("*/~*"):  # of workers that hung or crashed
            part.unlink()
    lost = [known[video.path] for video in videos if "error" in known[video.path]]
    bad.write_text("".join(json.dumps(found) + "\n" for found in lost), encoding="utf-8")
    if lost:
        say(f"left out {len(lost)} bad videos, see {bad}; the first: {lost[0]['error']}")
    contents = defaultdict(list)
    for video in videos:
        if "error" not in (found := known[video.path]):
            video.frames, video.fps, video.file = found["frames"], found["fps"], found["file"]
            video.background = found["background"]
            contents[found["digest"]].append(video)
    torn = [same for same in contents.values() if len({video.label for video in same}) > 1]
    if torn:
        say(f"left out {len(torn)} contents that lie in two classes, first {torn[0][0].path}")
    good = [same[0] for same in contents.values() if len({video.label for video in same}) == 1]
    if copies := sum(map(len, contents.values())) - len(contents):
        say(f"left out {copies} files with the same content as another one")
    if good:
        sizes = Counter("{1} x {0}".format(*known[video.path]["size"]) for video in good)
        seconds = [v.frames / v.fps for v in good if v.fps] or [0]
        say(
            f"{len(good)} good videos of {min(v.frames for v in good)} to "
            f"{max(v.frames for v in good)} frames, {min(seconds):.1f} to {max(seconds):.1f} s, "
            f"{len(sizes)} frame sizes, most of them {sizes.most_common(1)[0][0]}"
        )
    return good


def limit(kind: int, most: int) -> None:
    """Limit a resource of this process, to no more than the limit that the system has set."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _silence() -> None:
    """Discard what decoders print."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _inspect(job: tuple[str, Path, int, float]) -> dict:
    """Decode a whole video, write its shrunk copy or a link to it, and describe it."""
    path, folder, short_side, gigabytes = job
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + int(gigabytes * 2**30)
    limit(resource.RLIMIT_AS, most)
    reader = VideoReader(path)
    digest = sha1_of(path)
    height, width = reader.read([0])[0].shape[:2]
    scale = short_side / min(height, width)
    shrinks = SPARE * scale < 1
    samples: list[np.ndarray] = []
    decoded = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal decoded
        every = max(1, len(reader) // SAMPLES)
        # Even: the encoder would cut a last row or column, which shifts what is resized again.
        small = max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))
        for _, _, image in stream_frames(path, threads=1):
            if image is None:
                continue
            if shrinks:
                image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
            elif image.shape[:2] != (height, width):  # which the reader of a training refuses
                raise ValueError(f"{path}: frames differ in size")
            if decoded % every == 0:
                samples.append(cv2.resize(image, BACKGROUND, interpolation=cv2.INTER_AREA))
            decoded += 1
            yield image

    stem, suffix = os.path.splitext(os.path.basename(path))
    suffix = ".mp4" if shrinks else _safe(suffix)
    target = folder / f"{_safe(stem)}-{digest[:8]}{suffix}"
    part = folder / f"~{os.getpid()}{suffix}"  # no name that `_safe` makes
    try:  # errors of reading are no OSError here: the reader makes its own of them
        folder.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        if shrinks:
            # Without mbtree, by which x264 makes other files of the same small frames now and then.
            options = {"crf": "16", "preset": "veryfast", "x264-params": "mbtree=0"}
            write_video(part, frames(), reader.average_fps or 25, gop=12, options=options)
        else:
            decoded = sum(1 for _ in frames())
            part.symlink_to(os.path.abspath(path))
        if decoded < len(reader):
            raise ValueError(f"{path}: {decoded} of {len(reader)} frames can be decoded")
        os.replace(part, target)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.ENOMEM):  # no thread, or no memory, for the encoder
            raise MemoryError from None
        raise CopyError(f"{target}, the copy of {path}, cannot be written: {error}") from None
    finally:
        part.unlink(missing_ok=True)
    background = np.median(samples, axis=0).astype(np.uint8).tobytes().hex()
    return {"frames": decoded, "fps": reader.average_fps, "size": (height, width),
            "digest": digest, "background": background,
            "file": f"{folder.name}/{target.name}"}  # fmt: skip


def _safe(name: str) -> str:
    """A file name without what a list or a shell would misread."""
    return re.sub(r"[^\w.-]+", "_", printable(name))[:80]


def changed(folder: Path) -> list[str]:
    """List the sound videos that have other content now than when they were looked at."""
    known = {found["path"]: found for found in read_json_lines(folder / "looked.jsonl")}
    sound = [path for path, found in known.items() if "error" not in found]
    touched = [path for path in sound if stamp(path) not in ([], known[path]["stamp"])]
    return [path for path in touched if sha1_of(path) != known[path]["digest"]]


def sha1_of(path: str) -> str:
    """The digest of a file's content."""
    sha1 = hashlib.sha1()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            sha1.update(block)
    return sha1.hexdigest()
