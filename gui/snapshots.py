"""Snapshots of a training run: the newest in its folder, and the watch that opens the next ones as they are written."""
from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gui.jobs import Jobs

OURS = "snapshot-*.safetensors"          # of python -m train: put in place when they are whole
PATTERNS = (OURS, "network-snapshot-*.pkl", "network-snapshot-*.safetensors")
PAUSE = 3.0                              # seconds between two looks into the folder


def snapshots(folder: Path) -> list[Path]:
    """Those in the folder itself, oldest first; [] if it can't be read."""
    found = []
    for pattern in PATTERNS:
        for path in folder.glob(pattern):
            with suppress(OSError):
                found.append((path.stat().st_mtime_ns, path.name, path))
    return [path for _, _, path in sorted(found)]


def newest(folder: Path) -> Path | None:
    """The newest snapshot of a run, or of all runs if the folder holds runs; None: there is none."""
    inside = snapshots(folder)
    if not inside:
        with suppress(OSError):
            newest_of_runs = [found[-1] for run in folder.iterdir() if run.is_dir() and (found := snapshots(run))]
            inside = sorted(newest_of_runs, key=lambda path: path.stat().st_mtime_ns)
    return inside[-1] if inside else None


def is_snapshot(path: str) -> bool:
    return any(Path(path).match(pattern) for pattern in PATTERNS)


class Follower:
    """Looks into a run's folder from time to time and hands over each new snapshot once it is written to its end."""

    def __init__(self, jobs: Jobs, found: Callable[[str], None]):
        self._jobs, self._found = jobs, found        # `found` is called by a job
        self.folder: Path | None = None  # None: nothing is followed
        self._shown = ""
        self._looked = 0.0               # seconds, when
        self._growing: tuple[str, int, int] | None = None    # a new file as it was seen last: path, bytes, time

    def follow(self, path: str) -> None:
        """Follows the run that the snapshot `path` belongs to."""
        self.folder, self._shown, self._growing = Path(path).parent, path, None

    def stop(self) -> None:
        self.folder = None

    def poll(self, shown: str, now: float) -> None:
        """Once a frame: the path that is open, and the time in seconds. Opening a file elsewhere ends the watch."""
        if self.folder is None:
            return
        if Path(shown).parent != self.folder:
            self.stop()
        elif now - self._looked >= PAUSE:
            self._shown, self._looked = shown, now
            self._jobs.run("look for new snapshots", self.look)

    def look(self) -> None:
        folder = self.folder
        path = newest(folder) if folder else None
        if path is None or str(path) == self._shown:
            return
        status = os.stat(path)
        seen = (str(path), status.st_size, status.st_mtime_ns)
        if seen == self._growing or path.match(OURS):    # unchanged since the last look, or never written to
            self._shown = str(path)
            self._found(str(path))
        self._growing = seen
