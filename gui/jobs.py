"""Short work off the frame loop, one job after another: writing pictures and settings, looking through disks."""
from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable

from gui.messages import Messages
from renderer.types import Activity

PATIENCE = 1.0                           # seconds of work before it is spoken of


class Cancelled(Exception):
    """The person gave up the job."""


class Jobs:
    """A worker thread. A job that fails says so; `wake` is called after each, so that the window shows what changed."""

    def __init__(self, messages: Messages, wake: Callable[[], None]):
        self._messages, self._wake = messages, wake
        self._queue: queue.Queue[tuple[str, Callable[[], str | None]] | None] = queue.Queue()
        self._activity: Activity | None = None
        self._cancelled = False
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def run(self, what: str, job: Callable[[], str | None]) -> None:
        """`what` names the job in an error ('save the picture'); the sentence `job` returns is shown."""
        self._queue.put((what, job))

    @property
    def busy(self) -> bool:
        return self._activity is not None

    def activity(self) -> Activity | None:
        """The job that runs, once it has taken PATIENCE seconds."""
        activity = self._activity
        return activity if activity and time.monotonic() - activity.since > PATIENCE else None

    def progress(self, fraction: float | None) -> None:
        """For the running job to call: how far it is, 0..1, None: not known. Raises Cancelled once it was given up."""
        if self._cancelled:
            raise Cancelled
        activity = self._activity
        self._activity = Activity(activity.text, fraction, activity.since)

    def cancel(self) -> None:
        """Gives up the running job, if it tells its progress."""
        self._cancelled = True

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            what, job = item
            self._cancelled = False
            self._activity = Activity(what[0].upper() + what[1:], None, time.monotonic())
            try:
                if said := job():
                    self._messages.say(said)
            except Cancelled:
                pass
            except Exception as error:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                self._messages.say(f"Could not {what}: {reason}", error=True, details=traceback.format_exc())
            self._activity = None
            self._wake()

    def drop(self) -> None:
        """Gives up what runs and what still waits."""
        while not self._queue.empty():
            try:
                self._queue.get_nowait()
            except queue.Empty:
                break
        self.cancel()

    def close(self) -> None:
        """Finishes what was asked for."""
        self._queue.put(None)
        self._thread.join()
