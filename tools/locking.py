"""One run at a time in a place that it writes into."""

import errno
import fcntl
from pathlib import Path
from typing import IO

_held: list[IO] = []  # a closed file would be free


def lock(path: Path) -> None:
    """Hold the lock of a file until this process ends; its children do not inherit it.

    A file system without locks grants it.

    Raises:
        ValueError: another process holds it.
    """
    _held.append(path.open("w"))
    try:
        fcntl.lockf(_held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise ValueError(f"{path} is locked by another run: wait for its end") from None
