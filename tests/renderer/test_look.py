"""What a result says of the tap besides its picture: values, w, limits, cells, levels; and what a new view runs."""
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_networks import TINY, good

from renderer import look, modes, view
from renderer.pipeline import Pipeline
from renderer.types import Array, Latent, Mix, Source, Spectrum, TapInfo, View

MODES = ("rgb", "channel", "mean", "rms", "pca", "sheet")


@pytest.mark.parametrize("name", TINY)
def test_values_and_w_are_the_network_s_own(asked, name):
    pipeline, request = Pipeline(), asked(name, latent=Latent(x=2.5, psi=0.6), mix=Mix(Source(7), (0,)))
    for tap in good(pipeline.render(request)).info.taps:
        result = good(pipeline.render(replace(request, tap=tap.name)))
        np.testing.assert_array_equal(result.values, pipeline.tensor(result.request)[0].numpy(), tap.name)
        assert result.values.shape == tap.shape and not result.values.flags.writeable
    assert result.ws.shape == (1, result.info.num_ws, result.info.w_dim) and result.ws.dtype == np.float32
    assert not result.ws.flags.writeable
    own = replace(request, latent=replace(request.latent, w=Array.of(result.ws), psi=1.0), mix=Mix())
    np.testing.assert_array_equal(pipeline.picture(own), result.picture)     # mapped, truncated and mixed already


def test_values_are_not_copied_on_the_cpu(asked):
    pipeline = Pipeline()
    result = good(pipeline.render(asked("sg2-skip", tap="b16.conv0.act")))
    assert np.shares_memory(result.values, pipeline._signal.value[0].numpy())


@pytest.mark.parametrize("precision, dtype", [("bf16", np.float32), ("fp16", np.float16), ("fp32", np.float32)])
def test_values_in_any_precision(asked, precision, dtype):
    request = asked("sg2-skip", tap="b32.conv1.act")
    request = replace(request, checkpoint=replace(request.checkpoint, precision=precision))
    for mode in MODES:
        result = Pipeline().render(replace(request, view=View(mode, range="minmax")))
        if result.error and precision == "fp16":
            pytest.skip(result.error)
        values = good(result).values
        assert values.dtype == dtype
        np.testing.assert_array_equal(values.astype(np.float32), Pipeline().tensor(result.request)[0].numpy())


def test_values_of_another_device_are_copied_up_to_a_limit(monkeypatch):
    """The 'meta' device stands for one whose memory NumPy cannot see."""
    monkeypatch.setattr(view, "stats", lambda *args: "stats")
    monkeypatch.setattr(view, "as_numpy", lambda x: "copied")
    few, many = (torch.empty(count, 1024, 1024, device="meta", dtype=torch.float16) for count in (32, 33))
    assert look._numbers(few, "t", None) == {"stats": "stats", "values": "copied"}
    known = look._numbers(many, "t", None)
    assert "values" not in known and "66 MiB" in known["notes"][0] and "64 MiB" in known["notes"][0]


@pytest.mark.parametrize("mode", MODES)
def test_the_result_has_the_view_s_limits_and_cells(asked, mode):
    wanted = View(mode, range="minmax", gain_db=3.0)
    result = good(Pipeline().render(asked("sg2-skip", tap="b16.conv0.act", view=wanted)))
    x = torch.tensor(result.values)
    drawn = view.draw(modes.pick(x, wanted), tuple(x.shape), wanted)
    assert result.limits == drawn.limits is not None and result.cells == drawn.cells
    assert (result.cells is not None) == (mode == "sheet")
    np.testing.assert_array_equal(result.picture, drawn.picture)


def test_of_several_samples_the_first_is_known_and_limits_if_all_have_them(asked):
    z = Array.of(np.random.RandomState(0).randn(3, 8))
    request, pipeline = asked("sg2-skip", latent=Latent(z=z)), Pipeline()
    result = good(pipeline.render(request))
    assert result.values.shape == (3, 32, 32) and len(result.ws) == 3 and result.limits == (-1, 1)
    np.testing.assert_array_equal(result.values, pipeline.tensor(request)[0].numpy())
    assert good(pipeline.render(replace(request, view=View(range="symmetric")))).limits is None
    sheet = good(pipeline.render(replace(request, view=View("sheet"))))
    assert sheet.cells is None and sheet.picture.shape == (128, 128, 3)


def test_a_new_view_runs_no_stage_and_what_it_needs_only(asked, ran, monkeypatch):
    """Gain, offset, range and colormap draw again what was picked; numbers are of the signal alone."""
    calls, pick, stats = [], modes.pick, view.stats
    monkeypatch.setattr(modes, "pick", lambda *args: calls.append("pick") or pick(*args))
    monkeypatch.setattr(view, "stats", lambda *args: calls.append("stats") or stats(*args))
    pipeline, base = Pipeline(), asked("sg2-skip", tap="b16.conv0.act")
    good(pipeline.render(base))
    assert calls == ["pick", "stats"]
    ran.clear()
    for mode in MODES:
        calls.clear()
        for change in ({}, {"gain_db": 3.0}, {"offset": 0.2}, {"range": "minmax"}, {"range": "each"},
                       {"colormap": "grey"}):
            request = replace(base, view=View(mode, channel=2, **change))
            result = good(pipeline.render(request))
            again = view.picture(torch.tensor(result.values), request.view)
            np.testing.assert_array_equal(result.picture, again)
        assert ran == [] and [t.name for t in result.times if not t.reused] == ["view"]
        assert calls.count("stats") == 0
    calls.clear()
    for change in ({"channel": 1}, {"channel": 2}, {"channel": 2, "order": "energy"}):   # the last one means nothing
        good(pipeline.render(replace(base, view=View("channel", **change))))
    assert calls == ["pick", "pick"]


def test_the_old_signal_goes_before_the_new_one_comes(asked, monkeypatch):
    pipeline = Pipeline()
    good(pipeline.render(asked("sg2-skip", tap="b32.conv0.act", view=View("sheet"))))
    original, held = type(pipeline._synthesis).observe, []

    def observing(self, *args):
        held.append([memo.value for memo in vars(pipeline._look).values()] + [pipeline._signal.value])
        return original(self, *args)
    monkeypatch.setattr(type(pipeline._synthesis), "observe", observing)
    good(pipeline.render(asked("sg2-skip", tap="b32.conv0.act", latent=Latent(x=9))))
    assert held == [[None] * len(held[0])]


def test_levels_are_what_the_spectrum_s_picture_shows(asked):
    wanted = Spectrum(range_db=15.0, colormap="grey")
    result = good(Pipeline().render(asked("sg2-skip", spectrum=wanted)))
    levels = result.spectrum.levels
    assert levels.shape == result.spectrum.picture.shape[:2] and not levels.flags.writeable
    exact = np.clip(255 * (levels.astype(float) / 30 + 0.5), 0, 255)
    assert np.abs(result.spectrum.picture[..., 0] - exact).max() <= 0.5 + 255 * 1e-5
    nothing = torch.full((2, 2), torch.nan, dtype=torch.float64)
    assert np.isnan(view.spectrum(nothing, wanted, TapInfo("t", (1, 2, 2), 0, 2.0), None).levels).all()
