"""The average spectrum against its definition in numpy, and against signals whose spectrum is known."""
import math

import numpy as np
import pytest
import torch

from renderer.measures import spectrum
from renderer.measures.spectrum import Average

CASES = [((8, 8), 4), ((9, 9), 4), ((6, 10), 3), ((10, 5), 2), ((7, 12), 1), ((1, 2), 4)]


def signals(size: tuple[int, int], count: int = 3, channels: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(channels, *size, generator=generator) * 0.3 + 0.6 for _ in range(count)]


def direct(xs: list[torch.Tensor], mean: float, std: float, beta: float, interp: int) -> np.ndarray:
    """The definition, word by word, of the whole spectrum: whiten, window of unit power, pad, full FFT, mean."""
    channels = np.concatenate([x.double().numpy() for x in xs])
    window = np.outer(*(np.kaiser(n, beta) for n in channels.shape[1:]))
    window /= math.sqrt((window ** 2).sum())
    padded = [n * interp for n in channels.shape[1:]]
    return np.mean([np.abs(np.fft.fft2((x - mean) / std * window, padded)) ** 2 for x in channels], axis=0)


def averaged(xs: list[torch.Tensor], beta: float = 8.0, interp: int = 4) -> Average:
    average = Average(tuple(xs[0].shape[1:]), float(xs[0].shape[2]), beta, interp)
    for x in xs:
        average.add(average.of(x))
    return average


@pytest.mark.parametrize("beta", [0.0, 8.0])
@pytest.mark.parametrize("size, interp", CASES)
def test_it_is_the_definition(size, interp, beta):
    xs = signals(size)
    average, values = averaged(xs, beta, interp), torch.stack(xs).double()
    assert average.mean == pytest.approx(values.mean().item(), rel=1e-12)
    assert average.std == pytest.approx(values.std(correction=0).item(), rel=1e-9)
    for mean, std in ((average.mean, average.std), (0.0, 1.0), (-0.4, 2.0)):
        expected = direct(xs, mean, std, beta, interp)
        half = average.half(mean, std).numpy()
        assert half.dtype == np.float64
        np.testing.assert_allclose(half, expected[:, :expected.shape[1] // 2 + 1], rtol=1e-9,
                                   atol=1e-12 * expected.max())
        np.testing.assert_allclose(average.centred(torch.from_numpy(half)), np.fft.fftshift(expected), rtol=1e-9,
                                   atol=1e-12 * expected.max())


@pytest.mark.parametrize("size, interp", CASES)
def test_profiles_of_a_half_are_those_of_the_whole(size, interp):
    average = averaged(signals(size), 8.0, interp)
    half = average.half(0.0, 1.0)
    whole, rate = average.centred(half), float(size[1])
    expected = spectrum.radial(whole, rate), spectrum.ray(whole, rate, 0), spectrum.ray(whole, rate, 45)
    for ours, one in zip(average.profiles(half), expected, strict=True):
        torch.testing.assert_close(ours, one, rtol=1e-12, atol=0, equal_nan=True)


def test_every_other_bin():
    average = averaged(signals((12, 10)))
    half = average.half(0.0, 1.0)
    whole = torch.fft.ifftshift(average.centred(half))
    for step in (2, 4):
        assert torch.equal(torch.fft.ifftshift(average.centred(half, step)), whole[::step, ::step])


def test_an_impulse_is_flat_exactly():
    """Of height h: |FFT|² = h² w² everywhere, on all rings and rays; without a window w² = 1 / (H W)."""
    x = torch.zeros(1, 16, 16)
    x[0, 5, 9] = 3
    average = averaged([x], beta=0.0)
    for profile in average.profiles(average.half(0.0, 1.0)):
        np.testing.assert_allclose(profile, 9 / 256, rtol=1e-12)


@pytest.mark.parametrize("frequency", [1, 5, 7])
def test_a_wave_is_on_its_ring_alone(frequency):
    """cos 2 pi k x without a window: two bins of S = (H W / 2)² / (H W) = H W / 4; the mean over its ring is known."""
    size = 16
    x = torch.cos(2 * math.pi * frequency * torch.arange(size, dtype=torch.float64) / size).expand(1, size, size)
    average = averaged([x], beta=0.0, interp=1)
    radial, slice_0, slice_45 = average.profiles(average.half(0.0, 1.0))
    grid = np.arange(size) - size // 2
    bins = (np.floor(np.hypot(grid[:, None], grid) + 0.5) == frequency).sum()
    expected = np.zeros(size // 2 + 1)
    expected[frequency] = 2 * size ** 2 / 4 / bins
    np.testing.assert_allclose(radial, expected, atol=1e-10)
    assert slice_45.abs().max() < 1e-10
    np.testing.assert_allclose(slice_0, np.where(expected > 0, size ** 2 / 4, 0), atol=1e-10)


def test_white_noise_is_at_0_db():
    """S of white noise that is whitened by its own deviation is 1, within five standard errors of each ring's mean."""
    count = 100
    xs = list(torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(1)) * 0.2 + 0.5)
    average = averaged(xs)
    radial, *_ = average.profiles(average.half(average.mean, average.std))
    # as in test_spectrum's white noise: at least two independent values a ring and picture
    assert (radial[4:] - 1).abs().max() < 5 / math.sqrt(2 * count)
    assert radial[0] < 1                                         # the mean of all is taken away


def test_a_mean_has_no_effect_far_from_zero_frequency():
    """Whitening takes it away: pictures offset by a constant have the same spectrum, to float64's rounding."""
    xs = signals((16, 16))
    plain, offset = averaged(xs), averaged([x.double() + 100 for x in xs])
    one, other = plain.half(plain.mean, plain.std), offset.half(offset.mean, offset.std)
    power = 100 ** 2 / plain.std ** 2 * 256                      # of the offset, against which it is rounded
    torch.testing.assert_close(one, other, rtol=1e-6, atol=power * 1e-14)


def test_columns_are_transformed_in_parts(monkeypatch):
    xs, calls = signals((8, 8)), []
    whole = averaged(xs).half(0.0, 1.0)
    monkeypatch.setattr(spectrum, "BLOCK", 32 * 5)               # 5 of 17 columns at a time
    average = Average((8, 8), 8.0)
    for x in xs:
        average.add(average.of(x, lambda: calls.append(1)))
    torch.testing.assert_close(average.half(0.0, 1.0), whole, rtol=1e-12, atol=0)
    assert len(calls) == 3 * 2 * 4


def test_what_is_interrupted_is_not_added():
    average, x = averaged(signals((8, 8))), torch.ones(3, 8, 8)
    before, calls = average.half(0.0, 1.0), []

    def stop() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise InterruptedError
    with pytest.raises(InterruptedError):
        average.add(average.of(x, stop))
    assert torch.equal(average.half(0.0, 1.0), before)


def test_flat_pictures_have_no_spectrum():
    average = averaged([torch.full((3, 8, 8), 0.25)])
    assert average.half(average.mean, average.std).max() < 1e-12
