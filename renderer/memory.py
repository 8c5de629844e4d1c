"""Memory between this process and the system: kept while it works, given back when it rests. No torch."""
from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8      # of glibc's mallopt(3)


def keep_freed() -> None:
    """Of the process, from now on: freed memory stays in one heap, for the next feature map of that size.

    A fresh one from the system costs a page fault for every 4 KB, about as long as computing what is written to it.
    """
    if (libc := _glibc()) is not None:
        for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2 ** 31 - 1), (_ARENA_MAX, 1)):
            libc.mallopt(parameter, value)


def give_back() -> None:
    """What is free. glibc keeps it between pieces in use, and over a session of hours that adds up."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None
