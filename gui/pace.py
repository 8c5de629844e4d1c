"""When the next frame is due: at once after an event, a few times more while ImGui settles, never while all rests."""
from __future__ import annotations

SETTLE = (0.0, 0.0, 0.0, 0.2, 0.7, 0.7)    # seconds after an event: layout follows in a frame or two, a tooltip's
                                           # window opens in the first one after its delay and is seen in the next
ANIMATION = 1 / 60                       # seconds between frames while something moves
WORKING = 0.1                            # while progress is shown


class Pace:
    def __init__(self):
        self._event = 0.0                # when something happened last
        self._due = list(SETTLE)

    def happened(self, now: float) -> None:
        """An event or a wake: seconds on any steady clock."""
        self._event, self._due = now, list(SETTLE)

    def wait(self, now: float, every: float | None = None) -> float | None:
        """Seconds until the next frame; None: until something happens. `every`: the longest time between frames."""
        settle = None
        if self._due:
            settle = max(self._event + self._due[0] - now, 0.0)
        waits = [w for w in (settle, every) if w is not None]
        return min(waits) if waits else None

    def drawn(self, now: float) -> None:
        """A frame was drawn: what was due by now is done, one step at a time."""
        if self._due and self._event + self._due[0] <= now:
            self._due.pop(0)
