"""Responses of filters against scipy, against the sum that defines them, and against filters known in closed form."""
import math

import numpy as np
import pytest
import torch
from scipy import signal

from nets.filters import lowpass
from renderer.measures import filter_response as measure

RATE = 32.0
FREQUENCIES = torch.linspace(0, RATE / 2, 50, dtype=torch.float64)


def direct(taps: np.ndarray, fy: float, fx: float) -> float:
    """The definition: |sum of h(y, x) exp(-2 pi i (fy y + fx x) / rate)|."""
    taps = np.outer(taps, taps) if taps.ndim == 1 else taps
    y, x = np.indices(taps.shape)
    return abs((taps * np.exp(-2j * np.pi * (fy * y + fx * x) / RATE)).sum())


@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize("degrees", [0, 30, 45, 90])
def test_gain_is_the_definition(radial, degrees):
    taps = lowpass(12, 5.0, 4.0, RATE, radial)
    gain = measure.gain_along(taps, RATE, FREQUENCIES, degrees)
    expected = [direct(taps.double().numpy(), f * math.sin(math.radians(degrees)), f * math.cos(math.radians(degrees)))
                for f in FREQUENCIES.tolist()]
    assert gain.dtype == torch.float64
    np.testing.assert_allclose(gain, expected, atol=1e-12)


@pytest.mark.parametrize("radial", [False, True])
def test_gain_over_the_plane(radial):
    taps, frequencies = lowpass(11, 3.0, 4.0, RATE, radial), FREQUENCIES[::7] - 5
    plane = measure.gain_over_plane(taps, RATE, frequencies)
    expected = [[direct(taps.double().numpy(), fy, fx) for fx in frequencies.tolist()] for fy in frequencies.tolist()]
    np.testing.assert_allclose(plane, expected, atol=1e-12)


def test_along_x_a_separable_filter_is_its_one_dimensional_self():
    taps = lowpass(24, 6.0, 3.0, RATE)
    _, expected = signal.freqz(taps.double().numpy(), worN=FREQUENCIES.numpy(), fs=RATE)
    total = taps.double().sum()                      # of the other axis; taps are rounded to float32
    np.testing.assert_allclose(measure.gain_along(taps, RATE, FREQUENCIES), np.abs(expected) * total.item(), atol=1e-12)


def test_known_filters():
    """Two equal taps: a cosine, half at two thirds of Nyquist; a box of four: side lobes of known height."""
    pair, box = torch.full((2,), 0.5), torch.full((4,), 0.25)
    np.testing.assert_allclose(measure.gain_along(pair, RATE, FREQUENCIES), np.cos(np.pi * FREQUENCIES.numpy() / RATE),
                               atol=1e-12)
    assert measure.half_gain_frequency(pair, RATE) == pytest.approx(RATE / 3, rel=1e-6)
    _, response = signal.freqz(box.numpy(), worN=1 << 16, fs=RATE)
    lobes = np.abs(response)[np.linspace(0, RATE / 2, 1 << 16, endpoint=False) >= RATE / 4]
    assert measure.attenuation(box, RATE, RATE / 4) == pytest.approx(-20 * np.log10(lobes.max()), abs=1e-4)


def test_the_disc_beyond_which_a_radial_filter_is_judged():
    """Its corner taps reach all directions: the worst one counts, not the horizontal axis alone."""
    taps = torch.zeros(3, 3)
    taps[1, 1], taps[0, 0], taps[2, 2] = 0.5, 0.25, 0.25         # a cosine along one diagonal, 1 along the other
    assert measure.attenuation(taps, RATE, 10.0) == pytest.approx(0, abs=1e-3)
    assert measure.attenuation(taps.sum(0), RATE, RATE / 2) > 100


def test_what_there_is_not():
    identity = torch.ones(1)
    assert math.isnan(measure.half_gain_frequency(identity, RATE))
    assert math.isnan(measure.attenuation(torch.full((2,), 0.5), RATE, RATE))
    assert measure.decibels(torch.zeros(1)).item() == -300
