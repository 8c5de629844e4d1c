"""What a run is doing, for whoever watches: status.json, renewed while its process lives."""
from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from renderer.images import write_whole

FILE = "status.json"
ENDED = ("stopped", "finished", "failed")
HEARTBEAT = 5.0                          # seconds
SHORTEST = 1.0                           # seconds between two writings for anything but a new state or error


class Status:
    """Keeps status.json: what `change` said last, and "updated", unix seconds, renewed every 5 s until `close`.

    `attempt(file name, action)` runs what writes. A new state or error is written at once, anything else within 5 s.
    """

    def __init__(self, folder: Path, attempt: Callable[[str, Callable[[], None]], object]):
        self._path, self._attempt = folder / FILE, attempt
        self._content = {"state": "starting", "doing": "", "images": 0, "total_images": None, "pid": os.getpid(),
                         "host": socket.gethostname(), "started": time.time(), "error": None}
        # re-entrant: a signal's handler may come while it is held
        self._lock, self._closed, self._written = threading.RLock(), threading.Event(), 0.0
        self._write()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._heart.start()

    @property
    def has_ended(self) -> bool:
        return self._content["state"] in ENDED

    def change(self, **changes: Any) -> None:
        with self._lock:
            urgent = any(changes.get(key, self._content[key]) != self._content[key] for key in ("state", "error"))
            self._content |= changes
        if urgent or time.monotonic() - self._written >= SHORTEST:
            self._write()

    def close(self) -> None:
        """What it says stays, as of now."""
        if not self._closed.is_set():
            self._closed.set()
            self._heart.join()
            self._write()

    def _beat(self) -> None:
        while not self._closed.wait(HEARTBEAT):
            self._write()

    def _write(self) -> None:
        with self._lock:                 # one thread at a time: they would share the temporary file
            self._written = time.monotonic()
            content = json.dumps(self._content | {"updated": time.time()}).encode()
            self._attempt(FILE, lambda: write_whole(self._path, lambda file: file.write(content)))
