"""Short work off the frame loop, one job after another: writing pictures and settings."""
from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable

from gui.messages import Messages


class Jobs:
    """A worker thread. A job that fails says so; `wake` is called after each, so that the window shows what changed."""

    def __init__(self, messages: Messages, wake: Callable[[], None]):
        self._messages, self._wake = messages, wake
        self._queue: queue.Queue[tuple[str, Callable[[], str | None]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def run(self, what: str, job: Callable[[], str | None]) -> None:
        """`what` names the job in an error ('save the picture'); the sentence `job` returns is shown."""
        self._queue.put((what, job))

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            what, job = item
            try:
                if said := job():
                    self._messages.say(said)
            except Exception as error:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                self._messages.say(f"Could not {what}: {reason}", error=True, details=traceback.format_exc())
            self._wake()

    def close(self) -> None:
        """Finishes what was asked for."""
        self._queue.put(None)
        self._thread.join()
