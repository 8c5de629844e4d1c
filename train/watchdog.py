"""A watch over a run: what it is doing, and a line once a minute where that takes suspiciously long."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable

# What a run may be doing that others bring about; anything else is computing.
PICTURES = "waiting for pictures"
PROCESSES = "from all processes"               # as in "gradients of G main, from all processes"
METRIC = "measuring"                     # as in "measuring swd"

HINTS = {
    PICTURES: "a data loader worker may hang, or the disk be slow: try other --workers, 0 among them, or a set in a "
              "zip on a local disk",
    PROCESSES: "another process has died or is slower; its own line says what it is doing",
    METRIC: "some metrics take hours without a GPU; --metrics swd is quick",
}
FIRST_STEP = "kernels are compiled and tried out in the first step, once for each machine"
COMPUTING = "another program may use the device, or memory be swapped to disk: a smaller --batch-gpu takes less"
LOOKS_PER_SECOND = 1.0


class Watchdog:
    """Says what takes long: `say` is called from a thread of its own, `seconds` after `now`, and every `seconds` more.

    `rank`: of this process, if there are several. `clock`: seconds, rising. Use it in a `with`, or `close` it.
    """

    def __init__(self, say: Callable[[str], object], seconds: float = 60.0, rank: int | None = None,
                 clock: Callable[[], float] = time.monotonic):
        self._say, self._seconds, self._clock = say, seconds, clock
        self._who = "" if rank is None else f"process {rank}, "
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._doing, self._step, self._first_step = "", 0, None
        self._since, self._lines = clock(), 0
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def __enter__(self) -> Watchdog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def doing(self) -> str:
        """What was named last; empty while there is nothing to wait for."""
        return self._doing

    def now(self, doing: str, step: int | None = None) -> None:
        """From here on the run is `doing` this, in `step` (default: the one named last)."""
        with self._lock:
            self._step = self._step if step is None else step
            self._first_step = self._step if self._first_step is None else self._first_step
            self._doing, self._since, self._lines = doing, self._clock(), 0

    def rest(self) -> None:
        """Nothing is to be expected of the run until `now`: it is paused."""
        with self._lock:
            self._doing = ""

    def check(self) -> None:
        """Says its line if one is due."""
        with self._lock:
            seconds = self._clock() - self._since
            if not self._doing or seconds < self._seconds * (self._lines + 1):
                return
            self._lines = int(seconds / self._seconds)   # a machine that slept owes one line, not one a minute
            line = f"{self._who}step {self._step}: {self._doing} for {seconds:.0f} s ({self._hint()})"
        self._say(line)

    def close(self) -> None:
        self._closed.set()

    def _hint(self) -> str:
        known = next((hint for words, hint in HINTS.items() if words in self._doing), None)
        return known or (FIRST_STEP if self._step == self._first_step else COMPUTING)

    def _watch(self) -> None:
        while not self._closed.wait(1 / LOOKS_PER_SECOND):
            self.check()
