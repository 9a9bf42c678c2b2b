"""Checkpoints that are written atomically, and checked before a run continues."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import print_log

from ..compat import load_from_local
from ..models.weights import DamagedCheckpointError, load_checked

_RESUMABLE = ("meta", "state_dict", "message_hub", "optimizer")


@register_backend("atomic")
class AtomicBackend(LocalBackend):
    """Local files that appear whole under their name: written beside it, flushed, then renamed.

    A process killed while writing, or a full disk, leaves the earlier file as it was.
    """

    def put(self, obj: bytes, filepath: str | os.PathLike) -> None:
        """Write bytes; after an ``OSError`` nothing of them is left behind."""
        target = Path(filepath)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        try:
            with open(part, "wb") as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY)  # or a power cut could undo the renaming
        with suppress(OSError):  # some file systems flush no folder
            os.fsync(folder)
        os.close(folder)


def check_resumable(path: str | os.PathLike) -> None:
    """Check that training can go on from a checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedCheckpointError: the file is damaged, or holds weights only.
    """
    missing = [key for key in _RESUMABLE if key not in load_checked(path)]
    if missing:
        raise DamagedCheckpointError(
            f"checkpoint {path} lacks {', '.join(missing)}: training can start from it (load_from) "
            "but not go on"
        )


def last_good_checkpoint(
    folder: str | os.PathLike, note: str | os.PathLike | None = None
) -> Path | None:
    """Find the checkpoint of a run's folder that got furthest, None where there is none.

    Those older than the one that the ``note`` names, the folder's ``last_checkpoint``, come after
    it, the newest first: an earlier training may have got further. Warns of each damaged one met.

    Raises:
        DamagedCheckpointError: there are checkpoints, and none of them is good.
    """
    paths = [path for path in Path(folder).glob("*.pth") if not path.name.startswith("best_")]
    note = Path(note or Path(folder, "last_checkpoint"))
    last = Path(folder, Path(note.read_text()).name) if note.is_file() else None
    since = last.stat().st_mtime if last in paths else 0.0

    def rank(path: Path) -> tuple[float, ...]:
        written = path.stat().st_mtime
        return (1, *_progress(path)) if written >= since else (0, written)

    for path in sorted(paths, key=rank, reverse=True):
        try:
            check_resumable(path)
        except DamagedCheckpointError as error:
            print_log(f"{error}; falling back to the one before", "current", logging.WARNING)
        else:
            return path
    if paths:
        raise DamagedCheckpointError(
            f"none of the {len(paths)} checkpoints in {folder} is good; mend or remove them, "
            "or start without --resume"
        )
    return None


def _progress(path: Path) -> tuple[float, float]:
    """Iterations and epochs done; a checkpoint that does not say counts as the furthest."""
    try:
        meta = load_from_local(path, mmap=True)["meta"]
        return meta["iter"], meta["epoch"]
    except Exception:  # check_resumable tells what is wrong with it
        return float("inf"), path.stat().st_mtime
