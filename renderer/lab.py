"""The lab: the running estimate of the inspection that is asked for, refined sample by sample behind the picture."""
from __future__ import annotations

import time
from operator import attrgetter
from typing import Protocol

from nets.errors import UserError
from renderer.inspection import Inspection, check
from renderer.inspections import ESTIMATES
from renderer.report import Report
from renderer.steps import Run
from renderer.subject import Subject
from renderer.synthesis import Setting
from renderer.types import RenderRequest

INTERVAL = 0.2                           # seconds between two reports of one estimate


class Estimate(Protocol):
    """An inspection on its way, made from (inspection, subject). Raises UserError on what it cannot look into."""
    done: int                            # samples taken in
    total: int                           # that were asked for

    def advance(self) -> None:
        """Takes in one more sample. If it is abandoned on its way, the estimate is as it was before."""

    def report(self) -> Report:
        """What is known by now; quick, for it is asked for again and again."""


class Lab:
    """Holds one estimate, as long as nothing that it depends on changes; so it goes on where it was interrupted."""

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        self._key = self._estimate = self._subject = self._report = None

    def fill(self, run: Run, setting: Setting, request: RenderRequest) -> None:
        """Sets `run`'s report to what is known of `request.inspect`; `refine` follows while it isn't complete."""
        inspection = request.inspect
        if inspection is None:
            return self.clear()
        key = setting.key, inspection, *(attrgetter(place)(request) for place in inspection.reads)
        if self._key != key:
            self.clear()                 # before the new one takes its memory
            self._begin(inspection, Subject(setting, request), run.strict)
            self._key = key
        self._subject.run, self._subject.request = run, request
        if self._estimate is not None:
            self._report = self._estimate.report()       # of what it shows beside, as of the open picture
        run.add(report=self._report)

    def _begin(self, inspection: Inspection, subject: Subject, is_strict: bool) -> None:
        self._subject = subject
        try:
            check(inspection)
            self._estimate = ESTIMATES[type(inspection)](inspection, subject)
            self._report = self._estimate.report()
        except UserError as error:
            if is_strict:
                raise
            self._report = Report(inspection.kind, (), 0, 0, refusal=str(error))

    def refine(self) -> Report:
        """The next report, INTERVAL later; raises Abandoned if a newer request waits."""
        estimate, run, began = self._estimate, self._subject.run, time.monotonic()
        while estimate.done < estimate.total and time.monotonic() - began < INTERVAL:
            run.go_on()
            run.progress(f"Inspecting {self._report.kind}: {estimate.done} of {estimate.total}",
                         estimate.done / estimate.total)
            estimate.advance()
        self._report = estimate.report()
        return self._report
