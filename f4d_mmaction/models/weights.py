"""Checkpoint files: read without running code in them, refused if they fit another network."""

import logging
import os
import re
import zipfile
from pathlib import Path

from mmengine.logging import print_log
from torch import nn

from ..compat import load_from_local

SHOWN_KEYS = 5  # of each kind in an error message
WHAT_MOVES = "subtract_mean_frame=True"  # in the config that a checkpoint keeps


class CheckpointError(ValueError):
    """A checkpoint that cannot be used."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint that is cut off, altered, not a checkpoint, or not allowed to be loaded."""


class ForeignCheckpointError(CheckpointError):
    """A checkpoint of another network."""


def load_checked(path: str | os.PathLike) -> dict:
    """Load a checkpoint's weights and plain data onto the CPU, with every byte checked.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedCheckpointError: the file is damaged, or holds what is not allowed to be loaded.
    """
    if not (path := Path(path).expanduser()).is_file():
        raise FileNotFoundError(f"checkpoint {path} does not exist")
    try:
        # torch.load does not compare the check sums that torch.save writes.
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if (damaged := archive.testzip()) is not None:
                    raise DamagedCheckpointError(f"the check sum of {damaged} does not fit")
        checkpoint = load_from_local(path)
        if not isinstance(checkpoint, dict):
            raise DamagedCheckpointError(f"it holds a {type(checkpoint).__name__}, not a dict")
    except Exception as error:  # damaged bytes raise anything
        reason = _reason(error, path)
        raise DamagedCheckpointError(f"checkpoint {path} cannot be used: {reason}") from error
    return checkpoint


def _reason(error: Exception, path: str | os.PathLike) -> str:
    # torch's own message says how to load the file all the same.
    if refused := re.search(r"GLOBAL (\S+)", str(error)):
        return f"it asks for {refused[1]}, which no checkpoint needs; such a file can run code"
    if re.search(r"^(EOFError|IndexError|OSError\(22\b)|Unsupported operand", repr(error)):
        return f"it is no checkpoint, or cut off at {os.path.getsize(path):,} bytes: get it again"
    return " ".join(str(error).split("Unpickler error:")[-1].split())[:300] or type(error).__name__


def load_whole(network: nn.Module, checkpoint: dict, name: str, others: bool = False) -> None:
    """Load the checkpoint of that name, whose weights fit a network key by key.

    ``others`` allows weights that the network does not know, such as those of a removed head, but
    for those of 4D blocks.

    Raises:
        ForeignCheckpointError: it is another network's, or of one that saw other frames.
    """
    config = (checkpoint.get("meta") or {}).get("cfg")
    moves = getattr(getattr(network, "data_preprocessor", None), "subtract_mean_frame", False)
    if config and (WHAT_MOVES in config) != moves:
        raise ForeignCheckpointError(
            f"{name} was trained on frames {'as they are' if moves else 'less their mean'}, unlike "
            "the data_preprocessor of the config; use the config it was trained with"
        )
    try:
        network.load_state_dict(_plain_names(checkpoint.get("state_dict", checkpoint)))
    except RuntimeError as error:
        _, *problems = str(error).splitlines()
        if others:
            problems = [p for p in problems if "Unexpected key" not in p or "blocks4d." in p]
        if not problems:
            return
        shown = [_shorten(line) for line in problems[:SHOWN_KEYS]]
        raise ForeignCheckpointError(
            f"{name} is a checkpoint of another model; use the config it was trained with. "
            + " ".join(shown)
        ) from error


def _shorten(line: str) -> str:
    """Keep the first keys of a line of PyTorch's message."""
    keys = line.strip().split('", "')
    more = f'", ... ({len(keys)} in all).' if len(keys) > SHOWN_KEYS else ""
    return '", "'.join(keys[:SHOWN_KEYS]) + more


def check_fits_partly(network: nn.Module, weights: dict, name: str) -> None:
    """Check that half of a checkpoint's kernels fit, not counting those of 4D blocks.

    Blocks of another network, which do not all fit, are told: they start anew.

    Raises:
        ForeignCheckpointError: fewer fit; the rest would silently stay random.
    """
    own = network.state_dict()
    named = {k: v for k, v in _plain_names(weights).items() if "blocks4d." not in k}
    kernels = {k: v for k, v in named.items() if getattr(v, "ndim", 0) > 1}
    fitting = [k for k, kernel in kernels.items() if k in own and own[k].shape == kernel.shape]
    if 2 * len(fitting) < max(len(kernels), 1):
        raise ForeignCheckpointError(
            f"{name} is a checkpoint of another model: of its {len(kernels)} kernels "
            f"{len(fitting)} fit. It has {', '.join(list(weights)[:SHOWN_KEYS])}, ...; the model "
            f"has {', '.join(list(own)[:SHOWN_KEYS])}, ..."
        )
    theirs, mine = (
        {key: value.shape for key, value in each.items() if "blocks4d." in key}
        for each in (_plain_names(weights), own)
    )
    if theirs and mine and theirs != mine:
        fitting = [key for key, shape in mine.items() if theirs.get(key) == shape]
        print_log(
            f"the 4D blocks of {name} are others: of this network's {len(mine)} weights of blocks "
            f"{len(fitting)} come from there, the rest start anew",
            "current",
            logging.WARNING,
        )


def _plain_names(weights: dict) -> dict:
    return {key.removeprefix("module."): value for key, value in weights.items()}
