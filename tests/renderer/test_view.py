"""Pictures to the exact byte, colours of what is no number, statistics."""
import math

import numpy as np
import pytest
import torch

from nets.errors import UserError
from renderer import view
from renderer.colormaps import BAD, COLORMAPS, colours
from renderer.types import COLORMAPS as NAMES
from renderer.types import Spectrum, TapInfo, View


def signal(channels=3, size=(5, 7), seed=0, scale=1.0) -> torch.Tensor:
    return torch.randn(channels, *size, generator=torch.Generator().manual_seed(seed)) * scale


def test_rgb_is_the_rounded_clipped_image():
    x = signal(scale=2)
    expected = np.clip(np.rint(127.5 * x.numpy() + 127.5), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    picture = view.picture(x, View())
    np.testing.assert_array_equal(picture, expected)
    assert picture.dtype == np.uint8 and not picture.flags.writeable and {0, 255} <= set(picture.ravel().tolist())


def test_rgb_at_known_values():
    x = torch.tensor([-1.0, 1.0, 0.0, -9.0, 9.0, 0.5]).reshape(1, 1, 6)
    assert view.picture(x, View())[0, :, 0].tolist() == [0, 255, 128, 0, 255, 191]


def test_one_channel_is_grey_and_missing_channels_repeat_the_last():
    grey = view.picture(signal(1), View())
    assert (grey == grey[..., :1]).all()
    x = signal(2)
    np.testing.assert_array_equal(view.picture(x, View()), view.picture(x, View(channels=(0, 1, 1))))
    last = view.picture(x, View("channel", channel=1))
    np.testing.assert_array_equal(view.picture(x, View("channel", channel=9)), last)


def test_rgb_takes_the_channels_asked_for():
    x = signal(8)
    np.testing.assert_array_equal(view.picture(x, View(channels=(5, 0, 7))), view.picture(x[[5, 0, 7]], View()))


@pytest.mark.parametrize("gain_db", [-20.0, 6.0, 20.0])
def test_gain_scales_the_signal(gain_db):
    x = signal(scale=0.1)
    expected = np.clip(np.rint(127.5 * x.numpy() * np.float32(10 ** (gain_db / 20)) + 127.5), 0, 255)
    difference = view.picture(x, View(gain_db=gain_db)).astype(int) - expected.transpose(1, 2, 0)
    assert np.abs(difference).max() <= 1 and (difference == 0).mean() > 0.95      # float32 rounds in another order


@pytest.mark.parametrize("scale", [1e-40, 1e-3, 1.0, 1e30])
def test_normalize_fills_the_range(scale):
    x = torch.tensor([[[1.0, -0.5, 0.25]]]) * scale
    assert view.picture(x, View(range="symmetric"))[0, :, 0].tolist() == [255, 64, 159]
    assert view.picture(x * 0, View(range="symmetric", gain_db=500))[0, :, 0].tolist() == [128] * 3


def test_normalize_looks_at_what_is_shown_only():
    x = signal(4)
    x[3] *= 100
    symmetric = View(range="symmetric")
    np.testing.assert_array_equal(view.picture(x, symmetric), view.picture(x[:3], symmetric))


@pytest.mark.parametrize("name", NAMES)
def test_channel_through_a_colormap(name):
    """-1..1 spans the colormap, so 0 is its middle."""
    x = torch.tensor([[[-2.0, -1.0, 0.0, 1.0, 2.0]]])
    picture = view.picture(x, View("channel", colormap=name))
    table = colours(name)
    np.testing.assert_array_equal(picture[0], table[[0, 0, 128, 255, 255]])


def test_colormaps_are_those_the_window_offers():
    assert set(COLORMAPS) == set(NAMES)
    for name in NAMES:
        distance = np.abs(colours(name).astype(int) - BAD).max(axis=1)
        assert distance.min() > 60, "not-a-number must stand out"
    with pytest.raises(UserError, match="viridis"):
        colours("jet!")


def test_viridis_and_grey_at_their_ends():
    assert colours("viridis")[[0, 255]].tolist() == [[0x44, 0x01, 0x54], [0xFD, 0xE7, 0x25]]
    assert colours("grey")[:, 0].tolist() == list(range(256))
    assert colours("coolwarm")[127].min() > 210                # neutral in the middle


@pytest.mark.parametrize("mode", ["rgb", "channel"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_magenta(mode, bad):
    x = signal()
    x[0, 2, 3] = bad
    picture = view.picture(x, View(mode, range="symmetric"))
    assert tuple(picture[2, 3]) == BAD
    assert (picture == np.array(BAD)).all(axis=2).sum() == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_type(dtype):
    x = signal().to(dtype)
    np.testing.assert_array_equal(view.picture(x, View()), view.picture(x.float(), View()))
    stats = view.stats(x, "tap", 1.0)
    assert stats.dtype == str(dtype).removeprefix("torch.")
    assert stats.mean == pytest.approx(x.float().mean().item(), abs=1e-6)


# -- statistics -------------------------------------------------------------------------------------------------------

def test_stats():
    x = signal(4, (16, 16), seed=5)
    s, values = view.stats(x, "b16.conv0.act", None), x.numpy().astype(np.float64)
    assert (s.name, s.shape, s.dtype, s.clamped, s.nonfinite) == ("b16.conv0.act", (4, 16, 16), "float32", None, 0)
    assert s.mean == pytest.approx(values.mean(), abs=1e-6) and s.std == pytest.approx(values.std(), rel=1e-5)
    assert (s.minimum, s.maximum, s.absmax) == (values.min(), values.max(), np.abs(values).max())
    expected, _ = np.histogram(values, view.HISTOGRAM_BINS, (values.min(), values.max()))
    assert sum(s.histogram) == x.numel() and np.abs(np.array(s.histogram) - expected).sum() <= 4     # edges round


def test_the_histogram_samples_what_is_very_large(monkeypatch):
    """Columns that differ must all be met."""
    x = torch.arange(64.0).expand(1, 64, 64)
    monkeypatch.setattr(view, "HISTOGRAM_VALUES", 1024)
    histogram = view.stats(x, "t", None).histogram
    assert sum(histogram) == math.ceil(64 * 64 / 5) and min(histogram) >= 12 and max(histogram) <= 14


def test_stats_of_what_is_clamped_and_not_finite():
    x = torch.tensor([[[0.6, -0.6, 0.3, 0.1, torch.nan, torch.inf, 0.59, 0.0]]])
    s = view.stats(x, "t", 0.6)
    assert s.clamped == 3 / 8 and s.nonfinite == 2 / 8                        # infinity counts as beyond the clamp
    assert (s.minimum, s.maximum) == pytest.approx((-0.6, 0.6))
    assert sum(s.histogram) == 6


def test_stats_of_nothing_finite_and_of_a_constant():
    s = view.stats(torch.full((1, 2, 2), torch.nan), "t", None)
    assert s.nonfinite == 1 and sum(s.histogram) == 0
    assert np.isnan([s.mean, s.std, s.absmax, s.minimum, s.maximum]).all()
    s = view.stats(torch.full((1, 2, 2), 3.0), "t", None)
    assert (s.mean, s.std, sum(s.histogram)) == (3, 0, 4)


# -- spectrum ---------------------------------------------------------------------------------------------------------

def test_spectrum_picture_spans_the_range():
    s = torch.ones(4, 4, dtype=torch.float64)
    s[0, 0], s[1, 1], s[2, 2] = 1e-4, 0.0, 100.0
    tap = TapInfo("L3.out", (1, 4, 4), 4, 4.0, 1.0, 1.5)
    result = view.spectrum(s, Spectrum(range_db=10, colormap="grey"), tap, None)
    level = 10 * np.log10(np.maximum(s.numpy(), 1e-30) / s.numpy().mean())
    expected = np.clip(np.rint(255 * np.clip(level / 20 + 0.5, 0, 1)), 0, 255)
    np.testing.assert_array_equal(result.picture[..., 0], expected)
    np.testing.assert_allclose(result.levels, np.maximum(level, -300), rtol=1e-6, atol=1e-6)
    assert result.levels.dtype == np.float32 and result.picture[0, 0, 0] == 0 and result.picture[2, 2, 0] == 255
    assert (result.nyquist, result.cutoff, result.stopband, result.extent) == (2.0, 1.0, 1.5, (4.0, 4.0))
    assert result.radial.dtype == np.float32 and len(result.radial) == len(result.frequencies) == 3
    assert not any(a.flags.writeable for a in (
        result.picture, result.levels, result.radial, result.frequencies, result.slice_0))


def test_spectrum_of_a_style_is_a_single_bin():
    tap = TapInfo("b4.conv1.style", (8, 1, 1), 0, 1.0)
    result = view.spectrum(torch.zeros(1, 1, dtype=torch.float64), Spectrum(), tap, None)
    assert result.picture.shape == (1, 1, 3) and result.frequencies.tolist() == [0]
