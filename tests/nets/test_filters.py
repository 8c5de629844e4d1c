"""Low-pass design: scipy's firwin as the identity for separable filters, the Bessel formula for radial ones."""
import json
from math import pi, sqrt

import numpy as np
import pytest
from scipy import signal, special

from nets.filters import lowpass

FLOAT32 = 2.0 ** -24                     # half a unit in the last place of 1


@pytest.mark.parametrize("numtaps", [2, 3, 6, 12, 13, 24, 48])
@pytest.mark.parametrize("cutoff, width, fs", [(2, 4.2, 16), (4.5, 7.1, 64), (100, 90, 1024), (7.5, 0.5, 16)])
def test_separable_is_firwin(numtaps, cutoff, width, fs):
    taps = lowpass(numtaps, cutoff, width, fs).numpy()
    expected = signal.firwin(numtaps, cutoff, width=width, fs=fs)
    assert taps.dtype == np.float32 and taps.shape == (numtaps,)
    assert np.abs(taps - expected).max() <= 2 * FLOAT32 * np.abs(expected).max()


@pytest.mark.parametrize("numtaps", [6, 7, 12, 24])
def test_radial_is_the_windowed_bessel_function(numtaps):
    cutoff, width, fs = 3.0, 5.0, 32.0
    x = (np.arange(numtaps) - (numtaps - 1) / 2) / fs
    r = np.maximum(np.hypot(x[:, None], x), 1e-9)                 # close enough to the limit at 0
    beta = signal.kaiser_beta(signal.kaiser_atten(numtaps, width / (fs / 2)))
    expected = special.j1(2 * pi * cutoff * r) / (pi * r) * np.outer(*[np.kaiser(numtaps, beta)] * 2)
    expected /= expected.sum()
    taps = lowpass(numtaps, cutoff, width, fs, radial=True).numpy()
    assert taps.dtype == np.float32 and taps.shape == (numtaps, numtaps)
    assert np.abs(taps - expected).max() <= 2 * FLOAT32 * np.abs(expected).max()


def gain(taps: np.ndarray, fx: float, fy: float, fs: float) -> float:
    """Magnitude of the frequency response at (fx, fy); a 1-D filter acts along both axes."""
    taps = np.outer(taps, taps) if taps.ndim == 1 else taps
    x = np.arange(len(taps)) / fs
    return abs(np.exp(-2j * pi * fy * x) @ taps.astype(float) @ np.exp(-2j * pi * fx * x))


def half_gain_radius(taps: np.ndarray, angle: float, fs: float) -> float:
    radii = np.linspace(0, fs / 2, 2001)
    gains = [gain(taps, r * np.cos(angle), r * np.sin(angle), fs) for r in radii]
    return radii[np.argmax(np.array(gains) < 0.5)]


@pytest.mark.parametrize("radial", [False, True])
def test_response(radial):
    """Unit gain at zero frequency; a radial filter cuts off on a circle, a separable one reaches further diagonally."""
    fs, cutoff = 64.0, 10.0
    taps = lowpass(48, cutoff, 8.0, fs, radial).numpy()
    assert gain(taps, 0, 0, fs) == pytest.approx(1, abs=48 * FLOAT32)
    along, diagonal = half_gain_radius(taps, 0, fs), half_gain_radius(taps, pi / 4, fs)
    assert along == pytest.approx(cutoff, rel=0.02)
    if radial:
        assert diagonal == pytest.approx(along, rel=0.02)
        assert np.array_equal(taps, taps.T) and np.array_equal(taps, taps[::-1])
    else:                                                         # both factors are at 1 / sqrt 2 there
        assert gain(taps, 0, along, fs) < 0.51 and sqrt(1.3) * along < diagonal < sqrt(2) * along


def test_one_tap_is_the_identity():
    assert lowpass(1, 8, 4, 16) is None and lowpass(1, 8, 4, 16, radial=True) is None


@pytest.mark.parametrize("cutoff", [0, 8, -1, float("nan")])
def test_cutoff_out_of_range(cutoff):
    with pytest.raises(ValueError, match="half the sampling rate 16"):
        lowpass(12, cutoff, 4, 16)


def test_recorded(reference):
    data = reference("sg_ops.npz")
    cases = json.loads(str(data["lowpass.meta"]))
    assert {case["radial"] for case in cases} == {False, True}
    for case in cases:
        taps = lowpass(case["numtaps"], case["cutoff"], case["width"], case["fs"], case["radial"]).numpy()
        expected = data[case["key"]]
        assert np.linalg.norm(taps - expected) <= 1e-6 * np.linalg.norm(expected), case
