"""What estimates of a given list of steps share: one step at a time, and a report that is made anew only after one."""
from __future__ import annotations

from collections.abc import Callable, Sequence

from renderer.report import Report


class Stepwise:
    """An estimate (renderer.lab) whose report depends on nothing but its steps so far."""

    def __init__(self, steps: Sequence[Callable[[], None]]):
        self._steps, self._report = steps, None
        self.done, self.total = 0, len(steps)

    def advance(self) -> None:
        self._steps[self.done]()
        self.done += 1

    def report(self) -> Report:
        if self._report is None or self._report.done != self.done:
            self._report = self.made()
        return self._report

    def made(self) -> Report:
        """The report after `done` steps."""
        raise NotImplementedError
