"""Perceptual path length: points on paths, the part of the image, the trimmed mean."""
import math

import numpy as np
import pytest
import torch

from nets.errors import UserError
from train.metrics.path import centre_crop, neighbours, path_length


def latents(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.randn(2, *shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64))


def test_w_goes_straight():
    a, b = latents(3, 5, 8)
    t = torch.tensor([0.0, 0.5, 0.9])
    for found, step in zip(neighbours(a, b, t, "w"), (0, 1e-4)):
        at = (t.double() + step)[:, None, None]
        torch.testing.assert_close(found, a + (b - a) * at, rtol=1e-13, atol=1e-13)


def test_z_goes_round_at_even_angles():
    a, b = latents(4, 16)
    t = torch.tensor([0.0, 0.3, 0.5, 0.9], dtype=torch.float64)
    first, second = neighbours(a, b, t, "z", epsilon=0.01)
    def angle(x, y):
        return torch.cosine_similarity(x, y).acos()
    torch.testing.assert_close(angle(a, first)[1:], (angle(a, b) * t)[1:], rtol=1e-9, atol=0)
    torch.testing.assert_close(angle(first, second), angle(a, b) * 0.01, rtol=1e-6, atol=0)
    torch.testing.assert_close(first[0], a[0])


def test_points_keep_the_latents_type():
    a, b = (x.float() for x in latents(2, 4))
    assert all(x.dtype == torch.float32 for space in "zw" for x in neighbours(a, b, torch.zeros(2), space))


@pytest.mark.parametrize("count", [1, 50, 101, 1000])
def test_the_mean_between_percentiles_that_occur(count):
    found = torch.rand(count, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    ordered = np.sort(found.numpy() / 1e-8)
    low, high = math.floor(0.01 * (count - 1)), math.ceil(0.99 * (count - 1))
    assert path_length(found) == pytest.approx(ordered[low:high + 1].mean(), rel=1e-12)


def test_outliers_are_left_out_and_limits_count():
    found = torch.ones(301, dtype=torch.float64)
    found[:3], found[-3:] = 0, 1e6
    found[10], found[11] = 0.5, 2        # ranks 3 and 297: the 1st and the 99th percentile, inclusive
    assert path_length(found, epsilon=1) == pytest.approx((0.5 + 2 + 293) / 295, rel=1e-12)


def test_what_has_no_path_length():
    for bad in (torch.zeros(0), torch.tensor([1.0, math.nan])):
        with pytest.raises(UserError, match="finite distances"):
            path_length(bad)


def test_the_crop_is_stylegan1s():
    x = torch.arange(16 * 16).reshape(1, 1, 16, 16)
    assert torch.equal(centre_crop(x), x[:, :, 6:14, 4:12])
