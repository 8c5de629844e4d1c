"""A file that one process at a time holds, until it ends, however it ends: the operating system lets go of it."""
from __future__ import annotations

import contextlib
import errno
import os
import socket
import weakref
from pathlib import Path

from nets.errors import UserError, one_line

HELD_ELSEWHERE = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}

if os.name == "nt":
    import msvcrt

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)       # a locked byte cannot be read, so one far behind the holder
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """Held from the start to `close`. Raises UserError, naming the process that holds `path`, or why none can.

    What is in the file is for people to read; that it is there means nothing.
    """

    def __init__(self, path: Path):
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
        try:
            _take(self._descriptor)
        except OSError as error:
            raise UserError(self._refusal(path, error)) from None
        self._sign()
        _held.add(self)

    def close(self) -> None:
        _held.discard(self)
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        with contextlib.suppress(OSError):
            os.close(descriptor)

    def _sign(self) -> None:
        with contextlib.suppress(OSError):               # a full disk: it is held all the same
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())

    def _refusal(self, path: Path, error: OSError) -> str:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        holder = one_line(os.read(self._descriptor, 200).decode(errors="replace")) or "another process"
        self._close()
        if error.errno in HELD_ELSEWHERE:
            return f"{path.parent}: {holder} is writing there; wait until it ends, or put a file named stop there"
        return f"{path}: cannot be locked: {error.strerror or error}; choose a place on another disk"


_held: weakref.WeakSet[Lock] = weakref.WeakSet()


def _leave_to_the_parent() -> None:
    """A forked process, such as a data loader's worker, shares the lock and would hold it after its parent's end."""
    for lock in list(_held):
        lock._close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)
