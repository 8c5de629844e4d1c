"""The session on disk: what a window shows, kept while it lives, so that it can be continued after a crash or later.

Each window writes `session-<id>.json` and holds a lock beside it, which the system frees however the process ends: a
file whose lock is free belongs to a window that is gone. A clean end leaves `last.json` instead.
"""
from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import platformdirs

from gui.history import same
from gui.jobs import Jobs
from renderer import content, state
from renderer.images import write_whole
from renderer.types import RenderRequest

PAUSE = 2.0                              # seconds between two writes


def default_folder() -> Path:
    return Path(platformdirs.user_state_dir("stylescope", appauthor=False))


class Session:
    """Follows the request of one window; nothing is kept until the person has changed something."""

    def __init__(self, folder: Path, jobs: Jobs, request: RenderRequest):
        self.folder, self._jobs = folder, jobs
        self._kept, self._now = request, request
        self._written = -PAUSE           # seconds, when
        self._file = folder / f"session-{os.getpid()}.json"
        self._lock: IO | None = None
        self._trouble = ""               # why the last write failed

    @property
    def pending(self) -> bool:
        """Something is still to be written."""
        return self._now is not self._kept

    def follow(self, request: RenderRequest, now: float) -> None:
        if request is self._kept or same(request, self._kept):
            self._kept = self._now = request
            return
        self._now = request
        if now - self._written >= PAUSE:
            self._kept, self._written = request, now
            self._jobs.run("keep the session", lambda: self._write(request))

    def _write(self, request: RenderRequest) -> None:
        """Raises what keeps it from being written, the first time."""
        try:
            self._try_to_write(request)
            self._trouble = ""
        except Exception as error:
            before, self._trouble = self._trouble, str(error)
            if self._trouble != before:
                raise

    def _try_to_write(self, request: RenderRequest) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = locked(self._file.with_suffix(".lock"))
        keep(self._file, request)

    def end(self) -> None:
        """After the window closed in good order and its jobs are done: the state is the last session's now."""
        with suppress(Exception):        # a full disk must not keep the window from closing
            if self._now.checkpoint.path:
                self.folder.mkdir(parents=True, exist_ok=True)
                keep(self.folder / "last.json", self._now)
        self._file.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._file.with_suffix(".lock").unlink(missing_ok=True)


def keep(file: Path, request: RenderRequest) -> None:
    """Stamped, so that its files are found again. Raises UserError if the file can't be written."""
    text = state.to_json(content.stamped(request))
    write_whole(file, lambda out: out.write(text.encode()))


def last(folder: Path) -> Path | None:
    """The state of the session that ended last; None: there is none."""
    file = folder / "last.json"
    return file if file.is_file() else None


def lost(folder: Path) -> list[Path]:
    """States of windows that ended without closing, newest first."""
    files = []
    for file in folder.glob("session-*.json"):
        with suppress(OSError):
            lock = locked(file.with_suffix(".lock"))
            if lock is not None:
                lock.close()
                files.append((file.stat().st_mtime, file))
    return [file for _, file in sorted(files, reverse=True)]


def forget(file: Path) -> None:
    for path in (file, file.with_suffix(".lock")):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def ago(seconds: float) -> str:
    """'3 minutes ago'."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"


def age(file: Path, now: Callable[[], float] = time.time) -> str:
    return ago(now() - file.stat().st_mtime)


def locked(path: Path) -> IO | None:
    """The file, open and locked until it is closed; None: another process holds it."""
    file = open(path, "a+b")
    try:
        if os.name == "nt":
            import msvcrt
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file
    except OSError:
        file.close()
        return None
