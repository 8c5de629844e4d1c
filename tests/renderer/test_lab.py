"""The lab: an estimate goes on where it was interrupted, and starts anew when what it depends on changes."""
import gc
import itertools
import weakref
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import ClassVar

import pytest

from nets.errors import UserError
from renderer import lab
from renderer.inspection import option
from renderer.inspections import ESTIMATES
from renderer.pipeline import Pipeline
from renderer.report import Fact, Report
from renderer.steps import Abandoned
from renderer.types import Latent, RenderRequest, SeedGrid, Synth, View


@dataclass(frozen=True)
class Counting:
    """Counts its samples."""
    kind: ClassVar[str] = "counting"
    reads: ClassVar[tuple[str, ...]] = ("latent", "synth.noise")
    samples: int = option(3, "how many", 0, 100)
    refused: bool = option(False, "whether it refuses")
    fails: bool = option(False, "whether it fails at its second sample")


class Estimate:
    made: ClassVar[list[weakref.ref]] = []

    def __init__(self, inspection: Counting, subject):
        if inspection.refused:
            raise UserError("there is nothing to count.")
        self.done, self.total, self._fails, self.subject = 0, inspection.samples, inspection.fails, subject
        self.made.append(weakref.ref(self))

    def advance(self) -> None:
        self.subject.look(self.subject.ws())             # asks between stages whether to go on
        if self._fails and self.done == 1:
            raise ValueError("two is too many")
        self.done += 1

    def report(self) -> Report:
        return Report("counting", (Fact("done", "Done", self.done),), self.done, self.total)


@pytest.fixture(autouse=True)
def counting(monkeypatch):
    """By a clock on which a sample takes longer than half of INTERVAL: each is reported by itself."""
    ticks = itertools.count()
    monkeypatch.setitem(ESTIMATES, Counting, Estimate)
    monkeypatch.setattr(Estimate, "made", [])
    monkeypatch.setattr(lab, "time", SimpleNamespace(monotonic=lambda: 0.75 * lab.INTERVAL * next(ticks)))


@pytest.fixture
def ask(asked):
    """`ask(pipeline, stop_at=2)`: the reports of one request, in the order the window gets them; interrupted once
    that many samples are reported."""
    def ask(pipeline: Pipeline, stop_at: int = 1000, **parts) -> list[Report]:
        reports = []

        def is_stale() -> bool:
            return bool(reports) and reports[-1].done >= stop_at
        try:
            result = pipeline.render(asked("sg2-skip", **parts), is_stale, early=lambda r: reports.append(r.report))
            reports.append(result.report)
        except Abandoned:
            pass
        return reports
    return ask


def done(reports: list[Report]) -> list[int]:
    return [report.done for report in reports]


def test_it_refines_behind_the_picture(ask):
    reports = ask(Pipeline(), inspect=Counting())
    assert done(reports) == [0, 1, 2, 3] and [report.complete for report in reports] == [False, False, False, True]
    assert [report.figures[0].value for report in reports] == [0, 1, 2, 3]


def test_the_first_answer_has_the_picture_already(asked):
    answers = []
    Pipeline().render(asked("sg2-skip", inspect=Counting()), early=answers.append)
    assert answers[0].picture is not None and answers[0].report.done == 0


def test_interrupted_it_goes_on(ask):
    """By a request that differs in nothing it depends on."""
    pipeline = Pipeline()
    assert done(ask(pipeline, stop_at=1, inspect=Counting())) == [0, 1]
    view = View(gain_db=3.0)
    assert done(ask(pipeline, stop_at=2, inspect=Counting(), view=view, tap="b8.conv0.act")) == [1, 2]
    assert done(ask(pipeline, inspect=Counting())) == [2, 3]
    assert done(ask(pipeline, inspect=Counting(), view=view)) == [3]         # complete: nothing is computed
    assert len(Estimate.made) == 1


@pytest.mark.parametrize("change", [
    {"inspect": Counting(samples=2)}, {"latent": Latent(7.0)}, {"latent": Latent(3.0, psi=0.5)},
    {"synth": Synth("none")}], ids=["its options", "the seed", "psi", "the noise"])
def test_it_starts_anew(change, ask):
    pipeline = Pipeline()
    ask(pipeline, stop_at=1, inspect=Counting())
    reports = ask(pipeline, **{"inspect": Counting()} | change)
    assert done(reports)[0] == 0 and reports[-1].complete
    first, second = Estimate.made
    gc.collect()
    assert first() is None and second() is not None      # the old one's memory is given back


def test_what_it_does_not_read_does_not_matter(ask):
    pipeline = Pipeline()
    ask(pipeline, stop_at=1, inspect=Counting())
    ask(pipeline, inspect=Counting(), synth=Synth(noise_seed=5), view=View("rms"))
    assert len(Estimate.made) == 1


def test_another_network_starts_it_anew(asked):
    pipeline = Pipeline()
    for name in ("sg2-skip", "sg1"):
        assert pipeline.render(asked(name, inspect=Counting())).report.complete
    gc.collect()
    assert [estimate() is None for estimate in Estimate.made] == [True, False]


@pytest.mark.parametrize("without", [lambda pipeline, request: pipeline.render(replace(request, inspect=None)),
                                     lambda pipeline, request: pipeline.render(RenderRequest()),
                                     lambda pipeline, request: pipeline.clear()])
def test_not_asked_for_it_is_dropped(without, asked):
    pipeline, request = Pipeline(), asked("sg2-skip", inspect=Counting())
    assert pipeline.render(request).report.complete
    without(pipeline, request)
    gc.collect()
    assert Estimate.made[0]() is None


def test_beside_a_grid_of_seeds(ask):
    reports = ask(Pipeline(), inspect=Counting(), seeds=SeedGrid((1, 2)))
    assert done(reports) == [0, 1, 2, 3]


def test_refusals_stand_in_the_report(ask, asked):
    """The picture is as it would be without; alone, a refusal is an error."""
    report, = ask(Pipeline(), inspect=Counting(refused=True))
    assert report.refusal == "there is nothing to count." and report.complete and not report.figures
    report, = ask(Pipeline(), inspect=Counting(samples=101))
    assert report.refusal == "samples is 101, it must be from 0 to 100."
    for inspection in (Counting(refused=True), Counting(samples=-1)):
        with pytest.raises(UserError):
            Pipeline().inspect(asked("sg2-skip", inspect=inspection))


def test_a_failure_takes_nothing_back(asked):
    result = Pipeline().render(asked("sg2-skip", inspect=Counting(fails=True)))
    assert result.error is None and result.picture is not None and result.report.done == 1
    assert result.notes == ("the inspection stopped: two is too many",)


def test_abandoned_between_stages_a_sample_does_not_count(asked):
    """However far it has come: the next request begins that sample anew and none is lost."""
    pipeline, request, asked_for = Pipeline(), asked("sg2-skip", inspect=Counting()), []
    questions = Questions()
    pipeline.render(request, questions)
    for stop in range(1, questions.count, 5):
        pipeline, questions = Pipeline(), Questions(stop)
        with pytest.raises(Abandoned):
            pipeline.render(request, questions)
        estimate = pipeline._lab._estimate
        asked_for.append(estimate.done if estimate else None)
        assert pipeline.render(request).report.figures[0].value == 3
    assert {None, 0, 1, 2} <= set(asked_for)


class Questions:
    """Says yes to the `stop`th question whether to give up."""

    def __init__(self, stop: int = -1):
        self.count, self._stop = 0, stop

    def __call__(self) -> bool:
        self.count += 1
        return self.count == self._stop


def test_alone_it_is_complete(asked):
    told = []
    report = Pipeline().inspect(asked("sg2-skip", inspect=Counting()), lambda text, share: told.append((text, share)))
    assert report.complete and report.done == 3
    assert ("Inspecting counting: 1 of 3", 1 / 3) in told
