"""Untrusted videos: each is decoded in a separate process, with limits on memory and time.

Processes are forked from a server that has imported what they need and holds nothing else. What
this process allocated before, and what its heap keeps of that, does not count.
"""

import math
import multiprocessing.util
import resource
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mmengine.config import Config

from f4d_mmaction.apis.recognition import read_video, video_pipeline
from f4d_mmaction.datasets.transforms import VideoReader
from f4d_mmaction.datasets.video_errors import BadVideoError, BadVideoKind
from f4d_mmaction.structures import Recognition

MEGABYTE = 2**20
SOCKET_FOLDER = 75  # longest: multiprocessing adds 32 characters, a Unix socket's path has 107
_processes = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Limits:
    """Limits on a visitor's requests."""

    megabytes: float = 100.0  # of one upload
    seconds: float = 300.0  # of one video
    frames: int = 20_000
    pixels: int = 4096 * 2304  # width * height
    reading: float = 30.0  # seconds for opening and decoding it
    memory: float = 2048.0  # megabytes for the same
    waiting: int = 16  # visitors in the queue
    keep: int = 900  # seconds, of temporary files

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")


def start_processes() -> None:
    """Start the server of processes and have it import what takes seconds."""
    temporary = tempfile.gettempdir()
    if len(temporary) > SOCKET_FOLDER:  # the server's socket goes elsewhere, and nothing else
        tempfile.tempdir = "/tmp"
        multiprocessing.util.get_temp_dir()  # made once in the life of a process
        tempfile.tempdir = temporary
    _processes.set_forkserver_preload(["f4d_mmaction.apis"])
    run_limited(len, ((),), 60, 100)


def check_video(path: str, config: Config, limits: Limits) -> str:
    """Say what keeps a video from being recognized, in a sentence for its owner; '' if nothing.

    Headers are read before a frame is decoded. A file that crashes the decoder, hangs it or
    unpacks to more than the memory allowed costs its process alone.
    """
    time_limit = 2 * limits.reading
    path, name = str(path), Path(path).name  # Gradio's kind of text imports Gradio where it is read
    failure, error = run_limited(_inspect, (path, config, limits), time_limit, limits.memory)
    if failure == "crashed":
        return f"{name} cannot be decoded: the decoder crashed, perhaps for want of memory."
    if failure == "hung":
        return f"{name} was not read within {time_limit:g} s."
    if failure:
        return f"{name} cannot be decoded, or takes more memory than is allowed."
    return error.replace(path, name)  # do not leak server paths


def _inspect(path: str, config: Config, limits: Limits) -> str:
    """Say what is wrong with a video; '' if nothing."""
    try:
        reader = VideoReader(path, limits.reading, max_pixels=limits.pixels)
        frames, rate = len(reader), reader.average_fps
    except BadVideoError as error:
        if error.kind is BadVideoKind.TOO_LARGE:
            return f"{path} has frames of more than {limits.pixels} pixels."
        return str(error)
    if frames > limits.frames or (rate and frames / rate > limits.seconds):
        return f"{path} is longer than {limits.seconds:g} s or {limits.frames} frames."
    pipeline = video_pipeline(config)
    opening = pipeline.transforms[0]
    opening.time_limit, opening.max_pixels = limits.reading, limits.pixels
    result = read_video(pipeline, path)
    return result.error if isinstance(result, Recognition) else ""


def run_limited(
    function: Callable, arguments: tuple, seconds: float, megabytes: float
) -> tuple[str, Any]:
    """Call a function, pickled by name, in a process of its own.

    It is killed after so many seconds, and may grow by so many megabytes.

    Returns:
        '' and what the function returned; or 'error' (an exception, of too little memory too),
        'crashed' or 'hung', and a sentence.
    """
    ours, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(
        target=_serve, args=(theirs, function, arguments, megabytes), daemon=True
    )
    with ours:
        process.start()
        theirs.close()
        try:
            answer = ours.recv() if ours.poll(seconds) else ("hung", f"no answer in {seconds:g} s")
        except EOFError:
            answer = "crashed", "the process died"
    process.kill()
    process.join()
    return answer


def _serve(answers: Connection, function: Callable, arguments: tuple, megabytes: float) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + int(megabytes * MEGABYTE)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        answer = "", function(*arguments)
    except Exception as error:  # decoders and transforms raise anything
        answer = "error", f"{type(error).__name__}: {error}"
    answers.send(answer)
