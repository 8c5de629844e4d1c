"""Estimates made of steps: interrupted anywhere they come to the same report, which is made anew only after a step."""
import numpy as np
import pytest

from renderer.inspection import LatentPath, Mixing, Noise, Truncation
from renderer.pipeline import Pipeline
from renderer.report import Picture
from renderer.report_files import numbers
from renderer.steps import Abandoned

INSPECTIONS = {
    "noise": Noise(samples=3), "truncation": Truncation(steps=2, examples=1, samples=2),
    "mixing": Mixing(sources_a=(1, 2), sources_b=(3,)), "path": LatentPath(steps=2, samples=2),
}


@pytest.mark.parametrize("inspection", INSPECTIONS.values(), ids=INSPECTIONS)
def test_interrupted_it_comes_to_the_same_report(asked, inspection):
    request = asked("sg2-skip", inspect=inspection)
    whole, pipeline, count = Pipeline().inspect(request), Pipeline(), [0]
    early = [0]

    def often() -> bool:
        count[0] += 1
        return count[0] % 41 == 0        # amid one step or another: each asks at most 30 times
    for _ in range(10_000):
        try:
            result = pipeline.render(request, abandoned=often)
            break
        except Abandoned:
            early[0] += 1
    assert early[0] > 2 and result.report.complete
    assert numbers(result.report) == numbers(whole)
    for one, other in zip(result.report.figures, whole.figures, strict=True):
        assert one.name == other.name
        if isinstance(one, Picture):
            np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("inspection", INSPECTIONS.values(), ids=INSPECTIONS)
def test_a_report_stands_until_there_is_more(asked, inspection):
    pipeline = Pipeline()
    report = pipeline.render(asked("sg2-skip", inspect=inspection)).report
    estimate = pipeline._lab._estimate
    assert estimate.done == estimate.total and estimate.report() is report
    assert len({figure.name for figure in report.figures}) == len(report.figures)
