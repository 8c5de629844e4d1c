"""The distance of average power spectra against its definition in numpy."""
import math

import numpy as np
import pytest
import torch

from nets.errors import UserError
from train.metrics.spectra import Spectra


def noise(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def power(images: np.ndarray, mean: float) -> np.ndarray:
    window = np.outer(*(np.kaiser(n, 8) for n in images.shape[2:]))
    return (np.abs(np.fft.fft2((images - mean) * window)) ** 2).mean(axis=(0, 1))


def test_the_difference_is_its_definition():
    real, fake = noise(9, 3, 12, 16, seed=1) + 0.5, noise(5, 3, 12, 16, seed=2).cumsum(dim=3)
    spectra = Spectra((12, 16))
    for part in real.split(4):
        spectra.add_real(part)
    spectra.add_fake(fake)
    mean = real.double().mean().item()
    ratio = power(fake.double().numpy(), mean) / power(real.double().numpy(), mean)
    assert spectra.difference() == pytest.approx(np.abs(10 * np.log10(ratio)).mean(), rel=1e-9)


def test_a_gain_of_two_is_six_decibels_and_the_same_images_are_none():
    x = noise(6, 1, 16, 16, seed=1)
    x -= x.mean()
    for gain, expected in [(1, 0), (2, 20 * math.log10(2)), (0.5, 20 * math.log10(2))]:
        spectra = Spectra((16, 16))
        spectra.add_real(x)
        spectra.add_fake(gain * x)
        assert spectra.difference() == pytest.approx(expected, abs=1e-4)     # float32's mean is not quite 0


def test_what_cannot_be_compared_is_said():
    spectra = Spectra((8, 16))
    with pytest.raises(UserError, match="at least"):
        spectra.difference()
    with pytest.raises(UserError, match="16 x 8; one has 8 x 16"):
        spectra.add_fake(noise(1, 1, 16, 8, seed=1))
