"""How a program on the CPU gets memory for its features, which are larger than malloc expects.

By itself each large tensor is mapped anew, in pages of 4 KiB that Linux fills with zeros one by one
as they are touched, which takes a good part of an eager forward pass. Both functions leave
everything alone where the user has set ``THP_MEM_ALLOC_ENABLE=0``; without CPU tensors they change
nothing.
"""

from __future__ import annotations

import ctypes
import os

SWITCH = "THP_MEM_ALLOC_ENABLE"  # PyTorch's own, read at its first allocation
OF_MALLOC = (
    "GLIBC_TUNABLES",
    "MALLOC_MMAP_MAX_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
)
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def ask_for_huge_pages() -> None:
    """Have PyTorch ask for pages of 2 MiB, before its first allocation; whoever chose is heeded."""
    os.environ.setdefault(SWITCH, "1")


def keep_freed_memory() -> None:
    """Have malloc keep what tensors free for the next ones, until the process ends.

    For programs whose work is one network: steps are shorter, but the process stays as large as it
    ever was, and its heap has holes. Only with glibc's own malloc; whoever has set its thresholds
    is heeded.
    """
    if os.environ.get(SWITCH) == "0" or any(name in os.environ for name in OF_MALLOC):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
