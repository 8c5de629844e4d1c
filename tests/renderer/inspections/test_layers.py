"""The layer plan: the published figures of a full-size network, the counts of nets.work, times that are medians."""
from dataclasses import replace
from itertools import accumulate
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_networks import TINY, tiny

from nets.plan import plan
from nets.work import count_stages
from renderer.inspection import Layers
from renderer.pipeline import Pipeline
from renderer.report import Fact
from renderer.steps import Abandoned
from renderer.types import Synth


@pytest.fixture
def look(asked):
    return lambda name, **parts: Pipeline().inspect(asked(name, **{"inspect": Layers(runs=0)} | parts))


def figure(report, name: str):
    return next(figure for figure in report.figures if figure.name == name)


def columns(report) -> dict[str, tuple]:
    table = figure(report, "layers")
    return dict(zip(table.columns, zip(*table.rows)))


@pytest.mark.parametrize("network", ["sg3-t", "sg3-r"])
def test_the_plan_of_stylegan3(network, look):
    report, layers = look(network), plan(TINY[network])
    found = columns(report)
    assert found["Layer"] == ("input", *(g.name for g in layers), "image")
    inner = slice(1, -1)
    assert found["f_c (cycles per image)"][inner] == tuple(g.out_cutoff for g in layers)
    assert found["f_c + f_h (cycles per image)"][inner] == tuple(g.out_cutoff + g.out_half_width for g in layers)
    assert found["s (per image)"][inner] == tuple(g.out_rate for g in layers)
    assert found["s/2 (cycles per image)"][inner] == tuple(g.out_rate / 2 for g in layers)
    assert found["Channels"][inner] == tuple(g.out_channels for g in layers)
    assert (found["Width (px)"][inner], found["Height (px)"][inner]) == tuple(zip(*(g.out_size for g in layers)))
    assert found["Row of w"] == (*range(len(layers) + 1), None) and "ms" not in found
    curves = {curve.name: curve.y for curve in figure(report, "plan").curves}
    assert list(curves) == ["f_c", "f_t", "f_c + f_h", "s", "s/2"]
    np.testing.assert_array_equal(curves["f_c"][1:], [g.out_cutoff for g in layers])
    assert np.isnan(curves["f_c + f_h"][0])                          # the input has no filter
    np.testing.assert_array_equal(2 * curves["s/2"], curves["s"])


def test_the_conclusion_counts_critical_layers(look):
    names = [g.name for g in plan(TINY["sg3-t"])]
    assert look("sg3-t").remarks == (
        f"From {names[0]} to {names[-2]} the cutoff f_c grows from 2 to 16 cycles per image, and 2 of these 5 layers "
        "are critically sampled: their cutoff is Nyquist.",)


@pytest.mark.parametrize("network", ["sg1", "sg2-skip", "sg2-resnet", "sg2-growing"])
def test_the_plan_of_the_others(network, look):
    report = look(network)
    found = columns(report)
    assert not [name for name in found if "f_" in name]
    assert [curve.name for curve in figure(report, "plan").curves] == ["s", "s/2"]
    assert found["s (per image)"] == tuple(map(float, found["Width (px)"]))
    assert report.remarks[0].startswith("The sampling rate doubles from 4 to 32 per image in 4 resolutions")


@pytest.mark.parametrize("network", TINY)
def test_arithmetic(network, look):
    report = look(network)
    counted = [sum(w.conv + w.fir for w in work) for work in count_stages(tiny(network).synthesis).values()]
    np.testing.assert_allclose(columns(report)["GFLOP"], np.array(counted) / 1e9)
    assert figure(report, "gflop").value == pytest.approx(sum(counted) / 1e9)
    share, = figure(report, "cost").curves
    assert share.y.sum() == pytest.approx(100)


def test_a_network_that_has_not_grown(look):
    """At level of detail 1 there are fewer layers."""
    report = look("sg1", synth=Synth(lod=1.0))
    assert columns(report)["Layer"][-2:] == ("b16.torgb", "image") and columns(report)["GFLOP"][-2] > 0


def test_times_are_medians(asked, monkeypatch):
    """By a clock that ticks as the stages run: 1 s, 2 s, .. each, and one run a hundred times as slow."""
    request = asked("sg2-skip", inspect=Layers(runs=3))
    stages = [stage.name for stage in tiny("sg2-skip").synthesis.stages()]
    steps = [stage * (100 if run == 2 else 1) for run in range(4) for stage in range(1, len(stages) + 1)]
    clock = iter([time for step, end in zip(steps, accumulate(steps)) for time in (end - step, end)])
    monkeypatch.setattr("renderer.inspections.layers.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    report = Pipeline().inspect(request)
    assert next(clock, None) is None
    assert columns(report)["ms"] == tuple(1e3 * i for i in range(1, len(stages) + 1))
    assert figure(report, "ms").value == 1e3 * sum(range(1, len(stages) + 1))
    assert f"{stages[-1]} takes the longest" in report.remarks[1]
    assert {curve.name for curve in figure(report, "cost").curves} == {"Arithmetic", "Time"}


def test_abandoned_it_counts_no_run(asked):
    pipeline, seen = Pipeline(), []

    def stop_at(count: int):
        return lambda: len(seen) == count or seen.append(None)
    request = asked("sg3-t", inspect=Layers(runs=2))
    pipeline.render(request, abandoned=lambda: False)
    assert pipeline._lab._estimate.done == 2
    request = replace(request, inspect=Layers(runs=3))
    with pytest.raises(Abandoned):
        pipeline.render(request, abandoned=stop_at(30), early=lambda result: None)
    assert pipeline._lab._estimate.done == len(pipeline._lab._estimate._seconds) < 3
    report = pipeline.render(request).report
    assert report.complete and isinstance(figure(report, "rate"), Fact)
