"""Ctrl+C and SIGTERM as a request: the step is finished and saved first. A second Ctrl+C gives up at once."""
from __future__ import annotations

import signal
import threading
from collections.abc import Callable

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Within the block a signal sets `asked`. In any other than the main thread there is nothing to catch."""

    def __init__(self, say: Callable[[str], object]):
        self.asked = False
        self._say, self._before = say, {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._catch) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _catch(self, number: int, frame: object) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.asked:
            self.asked = True
            self._say(f"{signal.Signals(number).name}: finishing the step, then saving; "
                      "a second Ctrl+C gives up at once, and loses what is not saved")
