"""The truncation sweep against renders at each psi, and variety against its definition."""
from dataclasses import replace

import numpy as np
import pytest
from tiny_networks import tiny

from nets.errors import UserError
from renderer.inspection import Truncation
from renderer.measures.moments import mean_interval
from renderer.pipeline import Pipeline
from renderer.types import Array, Latent, Mix, Source


def figures(report) -> dict:
    return {figure.name: figure for figure in report.figures}


def shown(request) -> np.ndarray:
    """The levels 0..255 of the picture, by definition."""
    return (Pipeline().tensor(replace(request, inspect=None))[0].double().numpy() * 127.5 + 127.5).clip(0, 255)


def rms(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.square(a - b).mean()))


def at(request, psi: float, **latent):
    return replace(request, inspect=None, latent=replace(request.latent, psi=psi, **latent))


@pytest.mark.parametrize("name, latent", [
    ("sg1", Latent(x=3, y=0.5)), ("sg2-skip", Latent(x=4, cutoff=3)), ("sg2-conditional", Latent(x=4)),
    ("sg3-r", Latent(x=2))])
def test_each_picture_is_the_render_at_its_psi(asked, name, latent):
    request = asked(name, latent=replace(latent, psi=0.3), mix=Mix(Source(8), (0, 1)),
                    inspect=Truncation(steps=3, samples=0, examples=1, first_seed=6))
    found = figures(Pipeline().inspect(request))
    for step, psi in enumerate((-1.0, 0.0, 1.0)):
        own, other = (found[f"row{row}_{step:02}_psi{psi:+.2f}"] for row in (0, 1))
        np.testing.assert_array_equal(own.pixels, Pipeline().picture(at(request, psi)))
        alone = replace(at(request, psi, x=6.0, y=0.0), mix=Mix())
        np.testing.assert_array_equal(other.pixels, Pipeline().picture(alone))
    assert found["row0_00_psi-1.00"].group == "this latent" and found["row1_00_psi-1.00"].group == "seed 6"


def test_a_given_w_is_truncated_too(asked):
    """Rendered, it is not; the sweep's points lie on the line through the average all the same."""
    mapping = tiny("sg2-skip").mapping
    w = np.random.RandomState(0).randn(1, mapping.num_ws, mapping.w_dim).astype(np.float32)
    request = asked("sg2-skip", latent=Latent(w=Array.of(w)), inspect=Truncation(steps=3, samples=0, examples=0))
    found = figures(Pipeline().inspect(request))
    opposite = (2 * mapping.w_avg.numpy() - w).astype(np.float32)
    for name, one in (("row0_02_psi+1.00", w), ("row0_00_psi-1.00", opposite)):
        rendered = Pipeline().picture(replace(request, inspect=None, latent=Latent(w=Array.of(one))))
        assert np.abs(found[name].pixels.astype(int) - rendered).max() <= 1          # w itself may round otherwise


def test_distances_are_from_the_average_picture(asked):
    request = asked("sg2-skip", inspect=Truncation(low=0.0, high=1.0, steps=3, examples=0, samples=0))
    curve, = figures(Pipeline().inspect(request))["distance"].curves
    average = shown(at(request, 0.0))
    expected = [rms(shown(at(request, psi)), average) for psi in (0.0, 0.5, 1.0)]
    np.testing.assert_array_equal(curve.x, [0, 0.5, 1])
    np.testing.assert_allclose(curve.y, expected, rtol=1e-4, atol=1e-4)      # levels are float32
    assert curve.y[0] == 0 and curve.y[2] > 1


def test_variety_is_the_distance_of_pairs_of_seeds(asked):
    request = asked("sg1", inspect=Truncation(low=0.0, high=1.0, steps=2, examples=0, samples=3, first_seed=10))
    report = Pipeline().inspect(request)
    curve, = figures(report)["variety"].curves
    pairs = [rms(*(shown(at(request, 1.0, x=float(seed))) for seed in pair)) for pair in ((10, 11), (12, 13), (14, 15))]
    mean, low, high = mean_interval(pairs)
    assert (curve.y[1], curve.low[1], curve.high[1]) == pytest.approx((mean, low, high), rel=1e-4)
    assert curve.y[0] == 0               # all seeds share the average
    assert report.remarks[0].endswith(f" (RMS): {mean:.3g} at psi 1.")


def test_psi_of_the_open_latent_changes_nothing(asked):
    """Its slider may move while the estimate runs."""
    request = asked("sg2-skip", inspect=Truncation(steps=2, samples=1, examples=0))
    pipeline = Pipeline()
    report = pipeline.render(request).report
    assert report.complete
    assert pipeline.render(replace(request, latent=replace(request.latent, psi=0.2))).report is report


def test_ends_that_are_one_are_refused(asked):
    with pytest.raises(UserError, match="low and high are both 1"):
        Pipeline().inspect(asked("sg1", inspect=Truncation(low=1.0, high=1.0)))
    assert Pipeline().inspect(asked("sg1", inspect=Truncation(1.0, 1.0, 1, 0, 0))).complete
