"""The filter view: what it says of a layer's filters is what they were designed to be."""
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal
from tiny_networks import tiny

from nets.errors import UserError
from renderer.inspection import Filters
from renderer.pipeline import Pipeline
from renderer.report import Picture, Plot, Table


@pytest.fixture
def look(asked):
    def look(name: str, tap: str = "image", **options):
        return Pipeline().inspect(asked(name, tap=tap, inspect=Filters(**options)))
    return look


def figure(report, name: str) -> Plot | Table | Picture:
    return next(figure for figure in report.figures if figure.name == name)


def row(report, name: str) -> dict:
    table = figure(report, "filters")
    return dict(zip(table.columns, next(row for row in table.rows if row[0] == name)))


@pytest.mark.parametrize("network", ["sg3-t", "sg3-r"])
def test_what_is_said_of_every_layer(network, look):
    """Cutoffs and bands of the plan; the attenuation by scipy's response of the taps in the file."""
    synthesis = tiny(network).synthesis
    for g in synthesis.layers[:-1]:
        report, layer = look(network, layer=g.name, widened=1.0), getattr(synthesis, g.name)
        assert report.complete and [figure.name for figure in report.figures] == [
            "response_up", "response_down", "impulse", "plane_up", "plane_down", "filters"]
        up, rate = row(report, "up"), g.in_rate * g.up_factor
        assert (up["Taps"], up["f_c (cycles per image)"]) == (g.up_taps, g.in_cutoff)
        stop = up["f_c + f_h (cycles per image)"]
        assert stop == g.in_cutoff + g.in_half_width
        x, h = signal.freqz(layer.up_filter.double().numpy(), worN=1 << 17, fs=rate)
        assert up["Attenuation (dB)"] == pytest.approx(-20 * np.log10(np.abs(h)[x >= stop].max()), abs=0.05)
        down = row(report, "down")
        assert down["Taps"] == g.down_taps ** (2 if g.radial_down else 1)
        assert down["f_c (cycles per image)"] == g.out_cutoff


def test_the_response_of_the_layer_that_is_looked_at(look):
    g = tiny("sg3-t").synthesis.layers[2]
    report = look("sg3-t", tap=f"{g.name}.out")
    plot = figure(report, "response_up")
    taps = tiny("sg3-t").synthesis.get_submodule(g.name).up_filter.double().numpy()
    own, wide = plot.curves
    _, expected = signal.freqz(taps, worN=own.x, fs=g.in_rate * g.up_factor)
    np.testing.assert_allclose(10 ** (own.y / 20), np.abs(expected), atol=1e-6)      # float32 taps
    assert own.x[-1] == g.in_rate * g.up_factor / 2 and wide.name == "up, band 1.5 x as wide"
    assert plot.marks == ((g.in_cutoff, "f_c"), (g.in_cutoff + g.in_half_width, "f_c + f_h"), (g.in_rate / 2, "s/2"))
    (level, _), = plot.levels
    beyond = own.y[own.x >= g.in_cutoff + g.in_half_width]
    assert level == -row(report, "up")["Attenuation (dB)"] and beyond.max() <= level + 0.05


def test_impulse_responses_cross_zero_at_the_low_rate(look):
    """A filter that cuts at Nyquist is a windowed sinc of the low-rate samples: 1 at its centre, 0 at the others."""
    g = next(g for g in tiny("sg3-t").synthesis.layers if g.in_cutoff == g.in_rate / 2)
    curve = figure(look("sg3-t", layer=g.name), "impulse").curves[0]
    assert curve.dots and len(curve.x) == g.up_taps
    np.testing.assert_allclose(curve.x, (np.arange(g.up_taps) - (g.up_taps - 1) / 2) / g.up_factor)
    assert curve.y.sum() == pytest.approx(g.up_factor, rel=1e-6)
    assert np.all(np.sign(curve.y[np.abs(curve.x) < 2]) == np.sign(np.sinc(curve.x[np.abs(curve.x) < 2])))


def test_a_radial_filter_treats_directions_alike(look):
    """Where it passes; a separable one passes more along the diagonal."""
    layers = tiny("sg3-r").synthesis.layers
    radial = next(g for g in layers if g.radial_down)
    report = look("sg3-r", layer=radial.name, widened=1.0)
    plot = figure(report, "response_down")
    along_x, diagonal = plot.curves
    passes = along_x.x < radial.out_cutoff
    assert np.abs(along_x.y - diagonal.y)[passes].max() < 1
    separable = next(g for g in layers[:-1] if not g.radial_down)
    assert len(figure(look("sg3-r", layer=separable.name, widened=1.0), "response_down").curves) == 1
    plane = figure(report, "plane_down").pixels
    assert plane.shape == (257, 257, 3) and not plane.flags.writeable
    np.testing.assert_array_equal(plane, plane.transpose(1, 0, 2))
    assert plane[128, 128].sum() == plane.sum(axis=2).max()


def test_a_wider_band_attenuates_more(look):
    report = look("sg3-t", widened=2.0)
    assert row(report, "up, band 2 x as wide")["Attenuation (dB)"] > row(report, "up")["Attenuation (dB)"] + 10


@pytest.mark.parametrize("network, layer, words", [
    ("sg2-skip", "", "only StyleGAN3's layers have designed filters"), ("sg1", "", "this network is a StyleGAN1"),
    ("sg3-t", "L9", "there is no layer 'L9'; there are L0_"), ("sg3-t", "L5_32_3", "L5_32_3 has no filters; choose")])
def test_refusals(network, layer, words, look):
    with pytest.raises(UserError, match=words):
        look(network, layer=layer)


def test_another_layer_is_another_report(asked):
    """The report follows the layer that is looked at, and nothing else."""
    pipeline, names = Pipeline(), [g.name for g in tiny("sg3-t").synthesis.layers]
    request = asked("sg3-t", tap=f"{names[0]}.out", inspect=Filters())
    first = pipeline.render(request).report
    again = pipeline.render(replace(request, latent=replace(request.latent, x=9.0))).report
    other = pipeline.render(replace(request, tap=f"{names[1]}.conv")).report
    assert first is again and names[0] in first.figures[0].title and names[1] in other.figures[0].title
