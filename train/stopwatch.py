"""Where a run's time goes: seconds of each part of its steps, and of all training."""
from __future__ import annotations

import time
from collections.abc import Callable


class Stopwatch:
    """Counts seconds of what `now` names until it names something else; None: of nothing that is counted.

    `total`: of all that was counted, since the run's very beginning if it is set on resuming. `clock`: seconds, rising.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.total = 0.0
        self._clock, self._name, self._since = clock, None, clock()
        self._seconds: dict[str, float] = {}

    def now(self, name: str | None) -> None:
        moment = self._clock()
        if self._name is not None:
            self.total += moment - self._since
            self._seconds[self._name] = self._seconds.get(self._name, 0.0) + moment - self._since
        self._name, self._since = name, moment

    def take(self) -> dict[str, float]:
        """Seconds of each name since they were last taken."""
        seconds, self._seconds = self._seconds, {}
        return seconds
