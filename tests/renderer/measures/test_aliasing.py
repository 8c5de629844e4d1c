"""The aliasing budget of signals with a known one: band-limited, with a planted alias, enlarged through a filter."""
import math

import numpy as np
import pytest
import torch

from cuda_ops.upfirdn2d import setup_filter, upfirdn2d, upsample2d
from renderer.measures.aliasing import beyond, brought_in, window_reach
from renderer.measures.spectrum import power

SIZE = 64


def wave(fx: float, fy: float, amplitude: float = 1.0, size: int = SIZE, rate: float = SIZE) -> torch.Tensor:
    y, x = torch.meshgrid(*(torch.arange(size, dtype=torch.float64) / rate,) * 2, indexing="ij")
    return amplitude * torch.sin(2 * math.pi * (fx * x + fy * y) + 0.3)


def share(x: torch.Tensor, limit: float, rate: float = SIZE, beta: float = 0.0, is_radial: bool = False) -> float:
    s = power(x, beta)
    return beyond(s, rate, limit, is_radial) / s.sum().item()


def test_a_band_limited_signal_has_none():
    x = torch.stack([wave(3, 5), wave(10, -10), wave(0, 10)])
    assert share(x, 10) < 1e-25                      # on the limit is within; float64 rounds amplitudes by 1e-16
    assert share(x, 9) > 0.5


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.001])
def test_a_planted_alias_is_its_share(amplitude):
    x = torch.stack([wave(6, 2), wave(20, 3, amplitude), wave(4, -25, amplitude)])
    expected = 2 * amplitude ** 2 / (1 + 2 * amplitude ** 2)
    assert share(x, 16) == pytest.approx(expected, rel=1e-9)
    assert share(x, 22) == pytest.approx(amplitude ** 2 / (1 + 2 * amplitude ** 2), rel=1e-9)


@pytest.mark.parametrize("rate, size", [(64, 64), (16, 36), (32, 52)])
def test_through_a_window(rate, size):
    """At frequencies between bins, margins and all: but for what the window itself lets leak past its main lobe."""
    beta, amplitude = 8.0, 0.05
    reach, limit = window_reach(rate, size, beta), rate / 4
    low, high = limit - 1.01 * reach, limit + 1.01 * reach
    x = torch.stack([wave(low, 0, 1, size, rate), wave(0.3, high, amplitude, size, rate)])
    window, fine = np.kaiser(size, beta), 64
    response = np.abs(np.fft.fft(window, size * fine)) ** 2
    lobe = np.abs(np.fft.fftfreq(size * fine, 1 / rate)) <= 1.01 * reach
    leak = 1 - response[lobe].sum() / response.sum()
    expected = amplitude ** 2 / (1 + amplitude ** 2)
    # each wave leaks through one side of two axes, twice for its conjugate half; amplitudes differ by their phase
    assert share(x, limit, rate, beta) == pytest.approx(expected, rel=0.02, abs=4 * leak)
    assert leak < 1e-6 < expected


def test_bands_are_squares_or_discs():
    x = wave(12, 12)[None]                           # |f| is 17
    assert share(x, 16) < 1e-25 and share(x, 16, is_radial=True) > 1 - 1e-12
    assert share(x, 17, is_radial=True) < 1e-25


@pytest.mark.parametrize("frequency", [1, 8, 13, 15])
def test_the_mirror_image_of_a_wave(frequency):
    """[1, 3, 3, 1] / 8 passes |cos(w / 2)|³ in amplitude: of a wave at f, and of its image at s - f."""
    rate = 32
    s = power(wave(frequency, 0, size=rate, rate=rate)[None], beta=0.0)
    added, total = brought_in(s, setup_filter([1, 3, 3, 1]))
    own, image = (math.cos(math.pi * f / (2 * rate)) ** 6 for f in (frequency, rate - frequency))
    assert added / total == pytest.approx(image / (own + image), rel=1e-5)       # the taps are float32


@pytest.mark.parametrize("taps", [None, [1, 1], [1, 3, 3, 1], [1, 2, 1], list(range(1, 9)), [[1, 2], [3, 4]]])
@pytest.mark.parametrize("size", [(12, 12), (9, 14)])
def test_it_is_the_energy_of_the_enlarged_signal(taps, size):
    """Of any signal that ends before the border: enlarged by the network's own op, transformed, counted."""
    f, border = setup_filter(taps), 5
    x = torch.zeros(2, *(n + 2 * border for n in size), dtype=torch.float64)
    x[:, border:-border, border:-border] = torch.randn(2, *size, dtype=torch.float64,
                                                       generator=torch.Generator().manual_seed(0))
    s = torch.fft.fftshift(torch.fft.fft2(x).abs().square().sum(0))
    enlarged = torch.fft.fft2(upsample2d(x[None], f)[0]).abs().square().sum(0).numpy()
    fy, fx = (np.abs(np.fft.fftfreq(n)) for n in enlarged.shape)
    above = enlarged[np.maximum(fy[:, None], fx) > 0.25 + 1e-9].sum() / enlarged.sum()
    added, total = brought_in(s, f)
    assert added / total == pytest.approx(above, rel=1e-5)


def test_an_ideal_filter_brings_nothing_in():
    """A sharp windowed sinc: its own stopband is all that is left."""
    taps = torch.sinc((torch.arange(256) - 127.5) * 0.4) * torch.kaiser_window(256, periodic=False, beta=10.0)
    x = torch.stack([wave(3, 7, size=32, rate=32), wave(12, 1, size=32, rate=32)])
    added, total = brought_in(power(x, beta=0.0), setup_filter(taps))
    assert added / total < 1e-8
    added, total = brought_in(power(x, beta=0.0), None)
    assert added / total == pytest.approx(0.75)      # four copies of everything, three of them images


def test_it_needs_no_enlarging():
    """The filter's gain as upfirdn2d has it is the response that is counted with."""
    f = setup_filter([1, 3, 3, 1])
    impulse = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    impulse[0, 0, 4, 4] = 1
    response = torch.fft.fft2(upfirdn2d(impulse, f, padding=[2, 1, 2, 1])[0, 0]).abs().square()
    s = torch.zeros(4, 4, dtype=torch.float64)
    s[2, 2] = 1                                      # zero frequency alone: copies at (0, 4), (4, 0), (4, 4) of 8
    added, total = brought_in(s, f)
    assert total == pytest.approx(response[::4, ::4].sum().item(), rel=1e-6) and added < 1e-12


def test_how_far_a_window_reaches():
    """The first zero of the Kaiser window's transform."""
    for beta, size in ((0.0, 32), (8.0, 64), (5.0, 100)):
        fine = 256
        response = np.abs(np.fft.rfft(np.kaiser(size, beta), size * fine))
        first = int(np.argmax(np.diff(response) > 0)) / fine     # where it stops falling, in bins
        # the formula is of the window in continuous time, whose length is between size - 1 and size samples
        assert window_reach(size, size, beta) == pytest.approx(first, rel=1.5 / size)
