"""The channel panel: what is shown of a tap, in which range, and the histogram to set it with."""
import math
from dataclasses import replace

import driver
import numpy as np
import pytest

from gui import histogram, levels
from gui.levels import Scale
from gui.panels import channel
from renderer.images import load_request
from renderer.types import RenderRequest, RenderResult, TapStats, View
from renderer.view import stats as stats_of

TAP = "b16.conv0.act"


def stats(counts=(1, 2, 4, 2, 1), low=-1.0, high=4.0) -> TapStats:
    return TapStats("tap", (1, 1, 10), "float32", 0.5, 1.0, 4.0, low, high, 0.0, None, tuple(counts))


# -- arithmetic -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("scale", [Scale(), Scale(0.0, 7.5), Scale(-3.0, 0.02)])
@pytest.mark.parametrize("view", [View(), View(gain_db=12.0), View(gain_db=-30.0, offset=0.7)])
def test_scale_and_limits_are_each_others_inverse(scale, view):
    low, high = scale.limits(view)
    found = levels.scale_of(view, (low, high))
    tolerance = {"rel": 1e-12, "abs": 1e-12 * (abs(low) + abs(high))}
    assert found.center == pytest.approx(scale.center, **tolerance)
    assert found.reach == pytest.approx(scale.reach, **tolerance)
    again = scale.showing(View(), (low, high))
    assert again.gain_db == pytest.approx(view.gain_db, abs=1e-9)
    assert again.offset == pytest.approx(view.offset, abs=1e-9)


@pytest.mark.parametrize("kind", ["fixed", "symmetric", "minmax"])
@pytest.mark.parametrize("gain_db, offset", [(0.0, 0.0), (9.0, -0.4)])
def test_limits_of_the_renderer_are_those_of_the_window(kind, gain_db, offset):
    """A value halfway between the limits is shown as the middle colour."""
    import torch

    from renderer.modes import pick
    from renderer.view import draw
    x = torch.linspace(-2, 5, 48).reshape(1, 6, 8)
    view = View("channel", range=kind, gain_db=gain_db, offset=offset, colormap="grey")
    drawn = draw(pick(x, view), tuple(x.shape), view)
    result = RenderResult(RenderRequest(view=view), limits=drawn.limits)
    scale = levels.shown_scale(result, view)
    y = (x[0].numpy() - scale.center) / scale.reach * 10 ** (gain_db / 20) + offset
    np.testing.assert_array_equal(drawn.picture[..., 0], np.clip(np.rint(127.5 * y + 127.5), 0, 255))


def test_a_scale_holds_for_newer_gain_and_offset_only():
    result = RenderResult(RenderRequest(view=View(range="symmetric")), limits=(-3.0, 3.0))
    assert levels.shown_scale(result, View(range="symmetric", gain_db=5, offset=1)) == Scale(0.0, 3.0)
    assert levels.shown_scale(result, View(range="fixed")) is None
    assert levels.shown_scale(replace(result, limits=None), View(range="symmetric")) is None


def test_quantiles_within_bins():
    s = stats()                          # ten values in five bins of width 1 from -1 on
    assert levels.quantile(s, 0.0) == -1 and levels.quantile(s, 1.0) == 4
    assert levels.quantile(s, 0.1) == pytest.approx(0) and levels.quantile(s, 0.5) == pytest.approx(1.5)
    assert levels.quantile(stats((0, 0, 10, 0, 0)), 0.25) == pytest.approx(1.25)


def test_auto_shows_the_inner_99_percent():
    s = stats((5, 490, 490, 10, 5), -100.0, 150.0)       # 1000 values, bins of width 50
    view = levels.auto(View("channel", range="symmetric", gain_db=3), s)
    low, high = Scale().limits(view)
    assert view.range == "fixed" and (low, high) == pytest.approx((-50.0, 100.0))
    assert 127.5 + 127.5 * (10 ** (view.gain_db / 20) * low + view.offset) == pytest.approx(0, abs=1e-9)


def test_auto_of_a_real_distribution():
    import torch
    x = torch.randn(1, 300, 300, generator=torch.Generator().manual_seed(0)) * 3 + 10
    s = stats_of(x, "tap", None)
    low, high = Scale().limits(levels.auto(View(), s))
    below, above = ((x < low).double().mean().item(), (x > high).double().mean().item())
    bin_share = max(s.histogram) / x.numel()             # a quantile is known to its bin
    assert abs(below - 0.005) < bin_share and abs(above - 0.005) < bin_share


@pytest.mark.parametrize("view, s", [
    (View("rms", gain_db=3), stats()), (View("pca"), stats()), (View(gain_db=9, offset=1), stats((0,) * 5)),
    (View(), stats((10, 0), 2.0, 2.0)), (View(), stats((0,) * 64, math.nan, math.nan))])
def test_auto_without_a_histogram_of_what_is_shown(view, s):
    assert levels.auto(view, s) == replace(view, range="minmax", gain_db=0, offset=0)


def test_what_a_press_takes_hold_of_and_how_it_moves():
    ends = [100.0, 200.0]
    assert [histogram.part_at(x, ends, 8) for x in (20, 103, 150, 196, 300)] == ["low", "low", "both", "high", "high"]
    assert [histogram.part_at(x, [100.0, 104.0], 8) for x in (99, 102, 105)] == ["low", "both", "high"]
    held = histogram.Held("low", (0.0, 1.0), (-1.0, 3.0))
    assert histogram.dragged(held, 0.125) == (0.5, 1.0)
    low, high = histogram.dragged(held, 0.9)
    assert low < high == 1.0
    assert histogram.dragged(replace(held, part="both"), -0.25) == (-1.0, 0.0)
    assert histogram.dragged(replace(held, part="high"), -0.9)[1] > 0.0


def test_the_axis_holds_values_and_limits():
    s = stats(low=-1.0, high=3.0)
    assert histogram.axis_of(s, None) == (-1, 3) and histogram.axis_of(s, (-2.0, 2.0)) == (-2, 3)
    assert histogram.axis_of(s, (-100.0, 100.0)) == (-5, 7)
    low, high = histogram.axis_of(stats(low=2.0, high=2.0), None)
    assert low < 2 < high
    assert histogram.axis_of(stats(low=math.nan, high=math.nan), None) == (-1, 1)


def test_bars_by_count_or_its_logarithm():
    assert histogram.heights((0, 5, 10), False) == [0, 0.5, 1]
    assert histogram.heights((0, 1, 999_999), True) == pytest.approx([0, math.log(2) / math.log(1e6), 1])
    assert histogram.heights((0, 0), False) == [0, 0]


def test_the_strongest_channel():
    values = np.zeros((4, 3, 3), np.float16)
    values[1], values[3] = 1, -2
    assert channel.strongest(values) == 3
    values[2, 0, 0] = np.nan
    values[2, 1, 1] = np.inf
    values[2, 2, 2] = 3
    assert channel.strongest(values) == 3


# -- the window -------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def window(display, checkpoints, tmp_path_factory):
    window = driver.Window(display, tmp_path_factory.mktemp("channel"), str(checkpoints["stylegan2"]))
    window.answered(60)
    window.fill("Layers/Filter", "b16.conv0", "")
    window.click(f"Layers/{TAP}")
    window.wait(lambda r: r["request"]["tap"] == TAP and r["answered"])
    yield window
    assert window.close() == 0
    assert window.errors() == ""


def view(report) -> dict:
    return report["request"]["view"]


@pytest.mark.parametrize("name, mode", [("Channel", "channel"), ("Mean", "mean"), ("RMS", "rms"), ("PCA", "pca"),
                                        ("Sheet", "sheet"), ("RGB", "rgb")])
def test_every_mode_shows_its_own_controls(window, name, mode):
    window.click(f"Channel/Show/{name}")
    report = window.wait(lambda r: view(r)["mode"] == mode and r["answered"])
    here = report["widgets"]
    assert ("Channel/Colormap" in here) == (mode not in ("rgb", "pca"))
    assert ("Channel/R" in here) == (mode == "rgb") and ("Channel/Channel" in here) == (mode == "channel")
    assert ("Channel/Order/energy" in here) == (mode == "sheet")
    assert ("Channel/Shown range" in here) == (mode != "pca")
    assert report["picture"][0] > 16 if mode == "sheet" else report["picture"] == [16, 16, 3]


def test_channels_step_by_key_button_and_strength(window):
    window.click("Channel/Show/Channel")
    window.type_into("Channel/Channel", "5")
    window.wait(lambda r: view(r)["channel"] == 5)
    window.move("Viewer/Canvas")
    window.key("period", "period", "comma")
    window.wait(lambda r: view(r)["channel"] == 6)
    window.click("Channel/Previous channel")
    window.wait(lambda r: view(r)["channel"] == 5)
    window.click("Channel/Show/Sheet")
    window.click("Channel/Order/energy")
    window.wait(lambda r: view(r)["order"] == "energy" and r["answered"])
    window.click("Channel/Show/Channel")
    window.click("Channel/Strongest channel")
    found = view(window.wait(lambda r: view(r)["channel"] != 5 and r["answered"]))["channel"]
    assert found == strongest_of(window)
    window.click("Channel/Reset Channel")
    window.wait(lambda r: view(r)["channel"] == 0)


def strongest_of(window) -> int:
    """By the renderer, on the request that the window saves."""
    from renderer.pipeline import Pipeline
    count = len(list(window.captures.glob("*.png")))
    window.click("Capture/Layer")
    window.wait(lambda r: len(list(window.captures.glob("[!.]*.png"))) > count)
    saved = max(window.captures.glob("[!.]*.png"), key=lambda path: path.stat().st_mtime)
    x = Pipeline().tensor(load_request(saved))[0]
    return int(x.double().square().sum(dim=(1, 2)).argmax())


def test_range_auto_and_reset(window):
    window.click("Channel/Show/RGB")
    window.click("Channel/Range")
    window.click("Channel/Range/min-max")
    window.wait(lambda r: view(r)["range"] == "minmax" and r["answered"])
    window.click("Channel/Auto")
    report = window.wait(lambda r: view(r)["range"] == "fixed" and r["answered"])
    s = TapStats(**{**report["stats"], "histogram": tuple(report["stats"]["histogram"])})
    low, high = Scale().limits(View(gain_db=view(report)["gain_db"], offset=view(report)["offset"]))
    assert (low, high) == pytest.approx((levels.quantile(s, 0.005), levels.quantile(s, 0.995)))
    for name in ("Gain", "Offset", "Range"):
        window.click(f"Channel/Reset {name}")
        window.wait(lambda r, n=name: f"Channel/Reset {n}" not in r["widgets"])
    after = view(window.answered())
    assert (after["range"], after["gain_db"], after["offset"]) == ("symmetric", 0, 0)


def test_colormap_is_chosen_from_its_colours(window):
    window.click("Channel/Show/RMS")
    window.click("Channel/Colormap")
    window.click("Channel/Colormap/magma")
    assert view(window.wait(lambda r: view(r)["colormap"] == "magma" and r["answered"]))["mode"] == "rms"


def test_the_shown_range_is_dragged_under_the_histogram(window):
    window.click("Channel/Show/Channel")
    window.click("Channel/Auto")
    start = window.wait(lambda r: view(r)["range"] == "fixed" and view(r)["mode"] == "channel" and r["answered"])
    low, high = shown(start)
    window.drag("Channel/Shown range", (0.99, 0.5), (0.5, 0.5))
    narrower = window.wait(lambda r: view(r)["gain_db"] > view(start)["gain_db"] + 3 and r["answered"])
    assert narrower["ran"] == ["view"]
    pixel = (high - low) / (start["widgets"]["Channel/Shown range"][2] - start["widgets"]["Channel/Shown range"][0])
    assert shown(narrower) == pytest.approx((low, high - 0.49 * (high - low)), abs=2 * pixel)
    window.drag("Channel/Shown range", (0.5, 0.5), (0.8, 0.5))
    moved = window.wait(lambda r: view(r)["offset"] < view(narrower)["offset"] and r["answered"])
    assert view(moved)["gain_db"] == pytest.approx(view(narrower)["gain_db"], abs=1e-6)
    assert shown(moved)[0] > low
    window.double_click("Channel/Shown range")
    reset = view(window.wait(lambda r: view(r)["gain_db"] == 0 and r["answered"]))
    assert reset["offset"] == 0


def shown(report) -> tuple[float, float]:
    """The limits in the fixed range."""
    return Scale().limits(View(gain_db=view(report)["gain_db"], offset=view(report)["offset"]))
