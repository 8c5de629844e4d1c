"""A new training run on its way: the data set is looked at, the settings are tried, the process is started.

All that takes time is a job; what came of it are frozen values that the panel shows.
"""
from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gui import runform
from gui.jobs import Jobs
from gui.runform import Conversion, Form
from renderer import launching
from renderer.launching import Look, Offer, Progress, Started
from renderer.sets import Glimpse, UserError, glimpse
from renderer.types import Activity

REST = 1.5                               # seconds without a change before the settings are tried
PAUSE = 0.1                              # seconds between two looks at a process that has just started


class Said(NamedTuple):
    """What came of something, in lines."""
    lines: tuple[str, ...]
    error: bool = False


@dataclass(frozen=True)
class Tried:
    """What came of trying the settings. `refusal`: why a run of `words` would not go; '' if it would."""
    words: tuple[str, ...]
    look: Look | None = None
    refusal: str = ""


class NewRun:
    """`keep(form)` is called when it changed, `opened(folder)` when the folder of the run that was started is there.

    `later(call)` lets the frame loop make a call: what jobs found is taken there.
    """

    def __init__(self, jobs: Jobs, form: Form, keep: Callable[[Form], None], opened: Callable[[str], None],
                 later: Callable[[Callable[[], None]], None]):
        self._jobs, self._keep, self._opened, self._later = jobs, keep, opened, later
        self.form = form
        self.offer: Offer | None = None
        self.glimpse: Glimpse | None = None
        self.said: Said | None = None            # of the data set: what a check, a conversion, or opening it said
        self.tried: Tried | None = None
        self.refusal = ""                        # why the last start failed
        self.started: Started | None = None      # until its folder is there, or it has ended
        self.doing, self.share = "", 0.0         # in words, and how far it is
        self.wants_conversion = False
        self._changed_at = self._polled_at = time.monotonic()
        self._has_asked = False                  # for what training offers
        self._glimpsed: str | None = None        # the set that was looked at last
        self._looking: tuple[str, ...] | None = None     # words that are being tried, or will be
        self._given_up: tuple[str, ...] | None = None    # .. and that are not tried by themselves again
        self._starts: tuple[str, ...] | None = None      # words to be started once they are found good

    # -- what is filled in --------------------------------------------------------------------------------------------

    def change(self, form: Form) -> None:
        if form == self.form:
            return
        if form.data != self.form.data:
            self.glimpse = self.said = None
            self.wants_conversion = False
        self.form, self.refusal, self._starts = form, "", None
        self._changed_at = time.monotonic()
        self._keep(form)

    @property
    def options(self) -> tuple[launching.Option, ...]:
        return self.offer.options if self.offer else ()

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(runform.words(self.form, self.options))

    @property
    def trouble(self) -> str:
        """Why it cannot be tried as it is filled in; '' if it can."""
        found = runform.troubles(self.form, self.options)
        return runform.missing(self.form) or next((f"{name}: {words}" for name, words in found.items()), "")

    @property
    def verdict(self) -> Tried | None:
        """Of the settings as they are now."""
        return self.tried if self.tried and self.tried.words == self.words else None

    def own(self, option: launching.Option) -> str:
        """The value an option has when it is not given, as far as it is known."""
        if self.tried and self.tried.look and f"--{option.name}" not in self.tried.words:
            value = self.tried.look.value(option.place)
            if value is not None:
                return written(value)
        return written(option.default) if option.default not in (None, "", False) else ""

    # -- jobs ---------------------------------------------------------------------------------------------------------

    @property
    def starts(self) -> bool:
        """A run begins as soon as the settings are found good."""
        return self._starts is not None

    @property
    def polling(self) -> bool:
        """Frames are needed, to see how far it is or when it is time to try."""
        return self._jobs.busy or time.monotonic() - self._polled_at < REST and self._is_due is not None

    def activity(self) -> Activity | None:
        return self._jobs.activity()

    def cancel(self) -> None:
        """Gives up what is being done; a process that has started goes on."""
        if not self._jobs.busy:
            return
        self._given_up, self._starts = self.words, None
        self._jobs.cancel()

    def close(self) -> None:
        self._jobs.drop()
        self._jobs.close()

    def poll(self) -> None:
        """Once a frame, while it is in sight: begins what is due."""
        self._polled_at = time.monotonic()
        if not self._has_asked:
            self._has_asked = True
            self._run("ask for the options", self._ask_offer)
        if self.form.data.strip() and self._glimpsed != self.form.data:
            self._glimpsed = self.form.data
            self._run("look at the data set", partial(self._glimpse, self.form.data))
        if self._is_due is not None and time.monotonic() > self._is_due:
            self.look()

    @property
    def _is_due(self) -> float | None:
        """When the settings are to be tried; None: they were, or cannot be."""
        words, fits = self.words, self.glimpse and not self.glimpse.trouble
        if not (self.offer and fits) or self.trouble or self.verdict or words in (self._looking, self._given_up):
            return None
        return self._changed_at + REST

    def _run(self, what: str, job: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                job()
            finally:
                self.doing = ""
        self._jobs.run(what, guarded)

    def _told(self, what: str, progress: Progress | None, words: tuple[str, ...] | None = None) -> None:
        """Says how far a job is. Raises Cancelled when it was given up, or its words are of no use any more."""
        self.doing, self.share = progress.what if progress else what, progress.share if progress else 0.0
        if words is not None and words != self.words:
            self._jobs.cancel()
        self._jobs.progress(progress.share if progress else None)

    # -- the data set -------------------------------------------------------------------------------------------------

    def _ask_offer(self) -> None:
        try:
            self.offer = launching.offer()
        except UserError as error:
            self.refusal = str(error)

    def _glimpse(self, path: str) -> None:
        try:
            found, said = glimpse(runform.absolute(path)), None
        except UserError as error:
            found, said = None, Said((str(error),), True)

        def take() -> None:
            if path == self.form.data:
                self.glimpse, self.said = found, said or self.said
                self.wants_conversion |= bool(found and found.trouble)
        self._later(take)

    def check(self) -> None:
        """Reads every picture, and says what is there."""
        data = self.form.data
        words = ["data", runform.absolute(data), "--check", "--progress"]
        self._make_way()

        def take(said: Said) -> None:
            if data == self.form.data:
                self.said = said
                self.wants_conversion |= is_unfit(said)
        self._run("check the data set", lambda: self._ask("checking", words, take))

    def convert(self, conversion: Conversion) -> None:
        """Makes a set that fits, and takes it."""
        self._make("convert the pictures", conversion.words(), conversion.dest)

    def draw_demo(self, dest: str, images: str, side: str) -> None:
        """Draws the demo set, and takes it."""
        words = ["data", "demo", "-o", runform.absolute(dest), "--images", images, "--resolution", side, "--progress"]
        self._make("draw the demo set", words, dest)

    def _make(self, what: str, words: list[str], dest: str) -> None:
        data, dest = self.form.data, Path(runform.absolute(dest))
        self._make_way()

        def take(said: Said) -> None:
            if data == self.form.data and not said.error:
                self.change(dataclasses.replace(self.form, data=str(dest)))
            self.said = said

        def job() -> None:
            with suppress(OSError):              # training says it better
                dest.parent.mkdir(parents=True, exist_ok=True)
            self._ask(f"{what.partition(' ')[0]}ing", words, take)
        self._run(what, job)

    def _make_way(self) -> None:
        """Gives up trying the settings, if that is what is being done."""
        if self._looking:
            self._jobs.cancel()

    def _ask(self, what: str, words: list[str], take: Callable[[Said], None]) -> None:
        try:
            lines = launching.ask(words, partial(self._told, what)).splitlines()
            said = Said(tuple(line for line in lines if line.strip()))
        except UserError as error:
            said = Said((str(error),), True)
        self._later(partial(take, said))

    # -- the run ------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Tries the settings."""
        self._looking, self._given_up = self.words, None
        self._run("look at the settings", partial(self._look, self.words))

    def _look(self, words: tuple[str, ...]) -> None:
        """May be given up by a change: then nothing is taken."""
        try:
            found = Tried(words, launching.look(words, lambda progress: self._told("looking", progress, words)))
        except UserError as error:
            found = Tried(words, None, str(error))
        finally:
            self._looking = None if self._looking == words else self._looking
        self._later(partial(self._take, found))

    def _take(self, found: Tried) -> None:
        self.tried = found
        if self._starts == found.words and not found.refusal:
            self._run("start the run", partial(self._launch, found.words))
        self._starts = None if self._starts == found.words else self._starts

    def start(self) -> None:
        """Tries the settings, and starts if they are good."""
        self.refusal, self._starts = "", self.words
        if self.verdict and not self.verdict.refusal:
            self._take(self.verdict)
        elif self._looking != self.words:
            self.look()

    def _launch(self, words: tuple[str, ...]) -> None:
        """The process, watched until its folder is there."""
        try:
            started = self.started = launching.start(words, launching.new_log())
            while started.folder() is None and started.status is None:
                self._told("starting", None)
                time.sleep(PAUSE)
        except UserError as error:
            self.refusal = str(error)
            return
        finally:
            self.started = None
        if folder := started.folder():
            self._later(partial(self._opened, str(folder)))
        else:
            self.refusal = started.last_line() or f"the process ended without a word, with status {started.status}"


# -- pure -------------------------------------------------------------------------------------------------------------

def is_unfit(said: Said) -> bool:
    """Whether a check found that training cannot use the set."""
    return any("training cannot use it as it is" in line for line in said.lines)


def written(value: object) -> str:
    """As it is typed."""
    if isinstance(value, (list, tuple)):
        return ("x" if all(type(item) is int for item in value) else ",").join(map(str, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
