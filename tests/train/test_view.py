"""The blur before the discriminator, and the reals of growing, against their definitions."""
from __future__ import annotations

import math

import pytest
import torch

from train.view import blur, blur_sigma, growing_reals


@pytest.mark.parametrize("nimg, batch, sigma", [(0, 32, 10), (100_000, 32, 5), (200_000, 32, 0), (300_000, 32, 0),
                                                (100_000, 16, 0), (200_000, 64, 5)])
def test_blur_fades(nimg, batch, sigma):
    assert blur_sigma(nimg, batch) == sigma


@pytest.mark.parametrize("sigma", [0.34, 1.0, 2.7])
def test_an_impulse_becomes_the_gaussian(sigma, backend):
    radius = math.floor(3 * sigma)
    weights = [2 ** -((t / sigma) ** 2) for t in range(-radius, radius + 1)]
    taps = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    x = torch.zeros(1, 2, 19, 23)
    x[0, 0, 9, 11] = 1
    expected = torch.zeros(19, 23, dtype=torch.float64)
    expected[9 - radius:10 + radius, 11 - radius:12 + radius] = taps[:, None] * taps
    found = blur(x, sigma)
    torch.testing.assert_close(found[0, 0].double(), expected, rtol=1e-5, atol=1e-9)
    assert not found[0, 1].any() and found.shape == x.shape


def test_blur_reaches_beyond_small_images_and_dims_their_border(backend):
    found = blur(torch.ones(1, 1, 8, 8), 10)                          # 61 taps
    weights = [2 ** -((t / 10) ** 2) for t in range(-30, 31)]
    share = sum(weights[30:38]) / sum(weights)                        # of the corner's taps that meet the image
    torch.testing.assert_close(found[0, 0, 0, 0].item(), share ** 2, rtol=1e-5, atol=0)


def test_too_small_a_blur_is_none():
    x = torch.randn(1, 1, 4, 4)
    assert blur(x, 0.33) is x and blur(x, 0.0) is x


def test_blur_has_gradients_of_any_order():
    x = torch.randn(1, 1, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: blur(x, 1.2).square(), x)
    assert torch.autograd.gradgradcheck(lambda x: blur(x, 1.2).square(), x)


def nearest(x, factor):
    return x.repeat_interleave(factor, 2).repeat_interleave(factor, 3)


def average(x, factor):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // factor, factor, w // factor, factor).mean((3, 5))


@pytest.mark.parametrize("lod", [0.0, 0.25, 1.0, 1.75, 2.0])
def test_growing_reals(lod):
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    whole, part = int(lod), lod % 1
    sharp, soft = nearest(average(x, 2 ** whole), 2 ** whole), nearest(average(x, 2 ** whole * 2), 2 ** whole * 2)
    torch.testing.assert_close(growing_reals(x, lod), (1 - part) * sharp + part * soft)


def test_lod_0_is_the_image_itself():
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(growing_reals(x, 0.0), x)
