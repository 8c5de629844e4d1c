"""The frame spectrum against its definition in numpy, and against signals whose spectrum is known."""
import math

import numpy as np
import pytest
import torch

from renderer.measures import spectrum


def direct(x: np.ndarray, beta: float) -> np.ndarray:
    """The definition, word by word: mean, window, full FFT, sum over channels, centred."""
    window = np.outer(np.kaiser(x.shape[1], beta), np.kaiser(x.shape[2], beta))
    total = np.zeros(x.shape[1:])
    for channel in x.astype(np.float64):
        total += np.abs(np.fft.fft2((channel - channel.mean()) * window)) ** 2
    return np.fft.fftshift(total)


def wave(size: tuple[int, int], fx: float, fy: float, rate: float, phase: float = 0.7) -> torch.Tensor:
    """A sinusoid of fx, fy cycles per image, sampled `rate` times per image: [1, H, W]."""
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) / rate for n in size), indexing="ij")
    return torch.sin(2 * math.pi * (fx * x + fy * y) + phase)[None]


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 15, 15), (2, 9, 14), (1, 14, 9), (4, 1, 1), (1, 2, 3), (5, 36, 36)])
@pytest.mark.parametrize("beta", [0.0, 8.0])
def test_power_is_the_definition(shape, beta):
    x = np.random.RandomState(0).randn(*shape) + 3
    ours = spectrum.power(torch.from_numpy(x), beta).numpy()
    assert ours.shape == shape[1:] and ours.dtype == np.float64
    reference = direct(x, beta)
    np.testing.assert_allclose(ours, reference, rtol=1e-9, atol=1e-12 * max(reference.max(), 1))


def test_power_takes_channels_in_parts(monkeypatch):
    x = torch.randn(7, 8, 8, generator=torch.Generator().manual_seed(0))
    whole, calls = spectrum.power(x), []
    monkeypatch.setattr(spectrum, "CHUNK", 130)              # two channels at a time
    np.testing.assert_allclose(spectrum.power(x, between=lambda: calls.append(1)), whole, rtol=1e-12)
    assert len(calls) == 4


def test_parseval():
    x = torch.randn(3, 12, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    window = torch.outer(*(torch.kaiser_window(n, periodic=False, beta=5.0, dtype=torch.float64) for n in (12, 20)))
    energy = ((x - x.mean(dim=(1, 2), keepdim=True)) * window).square().sum()
    assert spectrum.power(x, 5.0).sum() == pytest.approx(12 * 20 * energy.item(), rel=1e-12)


def test_spectrum_of_a_real_signal_is_symmetric_and_without_mean():
    s = spectrum.power(torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(2)) + 100, 0.0)
    torch.testing.assert_close(s[1:, 1:], s[1:, 1:].flip(0, 1))
    assert s[4, 4] < 1e-12 * s.sum()


@pytest.mark.parametrize("size, rate", [((64, 64), 64.0), ((84, 84), 64.0), ((64, 32), 32.0), ((36, 36), 16.0)])
@pytest.mark.parametrize("frequency", [3, 6])
def test_a_wave_peaks_at_its_frequency(size, rate, frequency):
    """In cycles per image: margins add data, not frequency; the axes of an oblong image share one unit."""
    for fx, fy in ((frequency, 0), (0, frequency), (frequency / math.sqrt(2), -frequency / math.sqrt(2))):
        s = spectrum.power(wave(size, fx, fy, rate), 4.0)
        y, x = np.unravel_index(s.argmax().item(), s.shape)
        at = np.array([(y - size[0] // 2) * rate / size[0], (x - size[1] // 2) * rate / size[1]])
        step = np.array([rate / size[0], rate / size[1]])
        assert (np.abs(np.abs(at) - np.abs([fy, fx])) <= step / 2 + 1e-9).all()
        frequencies, radial, *_ = spectrum.profiles(s, rate)
        assert frequencies[radial.argmax()] == frequency


def test_slices_see_their_own_direction():
    horizontal, diagonal = (spectrum.power(wave((64, 64), *f, 64.0), 8.0) for f in ((10, 0), (7, 7)))
    _, _, slice_0, slice_45 = spectrum.profiles(horizontal, 64.0)
    assert slice_0.argmax() == 10 and slice_0[10] > slice_45[10] + 60
    _, _, slice_0, slice_45 = spectrum.profiles(diagonal, 64.0)
    assert slice_45.argmax() == 10 and slice_45[10] > slice_0[10] + 60


@pytest.mark.parametrize("frequency", [4, 5, 11])
def test_slices_keep_neighbours_apart(frequency):
    """Without a window a wave along the axis is one bin; even frequencies and odd ones are seen alike."""
    x = torch.cos(2 * math.pi * frequency * torch.arange(64, dtype=torch.float64) / 64).expand(1, 64, 64)
    _, _, slice_0, _ = spectrum.profiles(spectrum.power(x, 0.0), 64.0)
    others = slice_0[torch.arange(len(slice_0)) != frequency]
    assert slice_0[frequency] == pytest.approx(10 * math.log10(64 ** 2 / 2)) and others.max() < -200


def test_white_noise_is_flat():
    """Mean power per ring within five standard errors of all power's mean, at 0 dB."""
    channels = 200
    x = torch.randn(channels, 64, 64, generator=torch.Generator().manual_seed(3))
    frequencies, radial, *_ = spectrum.profiles(spectrum.power(x), 64.0)
    # A bin is a sum of `channels` exponential values: relative deviation 1/sqrt(channels). A ring from frequency 4 on
    # has 25 bins or more, of which symmetry and the window leave at least two independent. Below, the mean is missing.
    tolerance_db = 10 * math.log10(1 + 5 / math.sqrt(2 * channels))
    assert radial[4:].abs().max() < tolerance_db
    assert len(frequencies) == 33 and frequencies[-1] == 32


def test_radial_is_the_ring_mean():
    s = torch.rand(10, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    rate = 7.0
    ours = spectrum.radial(s, rate)
    fy, fx = np.meshgrid((np.arange(10) - 5) * rate / 10, (np.arange(14) - 7) * rate / 14, indexing="ij")
    ring = np.floor(np.hypot(fx, fy) + 0.5)
    expected = [s.numpy()[ring == k].mean() for k in range(4)]           # Nyquist is 3.5
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_nothing_is_quiet():
    """A constant has no power, and no mean power to divide by."""
    s = spectrum.power(torch.full((2, 8, 8), 3.0))
    assert (spectrum.decibels(s) == -300).all()
    assert all((curve == -300).all() for curve in spectrum.profiles(s, 8.0)[1:])


def test_decibels_are_relative_to_the_mean():
    s = torch.tensor([[1.0, 3.0], [0.0, 4.0]], dtype=torch.float64)
    expected = 10 * torch.tensor([[0.5, 1.5], [1e-30, 2.0]], dtype=torch.float64).log10()
    torch.testing.assert_close(spectrum.decibels(s), expected)
