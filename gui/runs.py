"""The watch over training runs: a thread reads their folders from time to time, the frame loop shows what it saw."""
from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from renderer import runs
from renderer.runs import Run, Sheet, Shelf, UserError
from renderer.runstats import Statistics, StatisticsFile

PAUSE = 1.0                              # seconds between two looks while somebody sees what is shown
REST = 5.0                               # .. and while nobody does
MOST_BYTES = 1 << 28                     # of sheets that are kept


Pictures = dict[str, tuple[np.ndarray, ...] | str]       # levels by path; a text: why there is none


@dataclass(frozen=True)
class Wanted:
    """What the panel shows: the frame loop's to the watch."""
    folders: tuple[str, ...] = ()
    chosen: str = ""                     # path of the run that is looked at; empty: none
    sheets: tuple[str, ...] = ()         # paths of the pictures in sight


@dataclass(frozen=True, eq=False)
class Seen:
    """What the watch saw: the answer."""
    folders: tuple[str, ...] = ()        # that were looked into
    runs: tuple[Run, ...] = ()
    chosen: str = ""                     # whose are all that follow
    statistics: Statistics = field(default_factory=Statistics)
    log: tuple[str, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    reals: str = ""

    def run(self, path: str) -> Run | None:
        return next((run for run in self.runs if run.path == path), None)

    def same(self, other: Seen) -> bool:
        return (self.statistics is other.statistics
                and all(getattr(self, name) == getattr(other, name)
                        for name in ("folders", "runs", "chosen", "log", "sheets", "reals")))


class Watch:
    """Looks while there are folders to look into.

    `wake` is called when there is something new to show, `trouble(sentence, trace)` when looking itself fails.
    """

    def __init__(self, wake: Callable[[], None], trouble: Callable[[str, str], None]):
        self.seen = Seen()
        self.pictures: Pictures = {}     # replaced whole
        self._wake, self._trouble = wake, trouble
        self._wanted, self._resting, self._closing = Wanted(), False, False
        self._due = 0.0                  # seconds on a steady clock
        self._change = threading.Condition()
        self._shelf, self._file = Shelf(), (None, None)
        self._thread: threading.Thread | None = None

    # -- the frame loop's side ----------------------------------------------------------------------------------------

    def want(self, wanted: Wanted) -> None:
        """What is shown from now on; it is looked at at once."""
        self._resting = False
        if wanted != self._wanted:
            self._wanted = wanted
            self.look_again()

    def rest(self) -> None:
        """Nobody sees it now."""
        self._resting = True

    def look_again(self) -> None:
        """At once: something was asked of a run."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="runs", daemon=True)
            self._thread.start()
        with self._change:
            self._due = 0.0
            self._change.notify()

    def close(self) -> None:
        with self._change:
            self._closing = True
            self._change.notify()
        if self._thread is not None:
            self._thread.join()

    # -- the thread's -------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while self._wait():
            try:
                self._look_once(self._wanted)
            except Exception as error:   # the watch goes on
                self._trouble(f"Training runs: {type(error).__name__}: {error}", traceback.format_exc())
                self._wake()

    def _look_once(self, wanted: Wanted) -> None:
        """Pictures first: somebody drags a slider through them."""
        if self._load(wanted.sheets):
            self._wake()
        if wanted != self._wanted:
            return
        seen = self._look(wanted)
        if not seen.same(self.seen):
            self.seen = seen
            self._wake()

    def _wait(self) -> bool:
        """Until the next look is due; False: never again."""
        with self._change:
            while not self._closing and (left := self._due - time.monotonic()) > 0:
                self._change.wait(left)
            self._due = time.monotonic() + (REST if self._resting else PAUSE)
        return not self._closing

    def _look(self, wanted: Wanted) -> Seen:
        found = self._shelf.look(wanted.folders)
        if not any(run.path == wanted.chosen for run in found):
            return Seen(wanted.folders, found)
        if self._file[0] != wanted.chosen:
            self._file = wanted.chosen, StatisticsFile(wanted.chosen)
        return Seen(wanted.folders, found, wanted.chosen, self._file[1].read(), runs.log_of(wanted.chosen),
                    runs.sheets(wanted.chosen), runs.reals(wanted.chosen))

    def _load(self, paths: tuple[str, ...]) -> bool:
        """Reads the sheets that aren't there yet; whether there were such. What can't be read is tried again."""
        kept, new = dict(self.pictures), False
        for path in paths:
            if not isinstance(kept.get(path), tuple):
                before, kept[path] = kept.get(path), _picture(path)
                new |= before is None or isinstance(kept[path], tuple)
            kept[path] = kept.pop(path)  # the last ones are those in sight
        while len(kept) > len(paths) and sum(map(_bytes, kept.values())) > MOST_BYTES:
            del kept[next(iter(kept))]
        self.pictures = kept
        return new


def _picture(path: str) -> tuple[np.ndarray, ...] | str:
    try:
        return runs.levels(runs.load_sheet(path))
    except UserError as error:
        return str(error)


def _bytes(picture: tuple[np.ndarray, ...] | str) -> int:
    return sum(level.nbytes for level in picture) if isinstance(picture, tuple) else 0
