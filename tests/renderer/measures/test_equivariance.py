"""The operators of StyleGAN3 app. E against recordings and direct definitions; the shift of layers; the interval."""
import math

import numpy as np
import pytest
import torch

from renderer.measures import equivariance as measure

KINDS = {"int": measure.move_whole, "frac": measure.move}
TURNS = {"rot": measure.transformed, "pseudo": measure.limited}


@pytest.mark.parametrize("case", range(3))
@pytest.mark.parametrize("kind", [*KINDS, *TURNS])
def test_operators_match_the_recordings(reference, kind, case):
    data = reference("sg_equivariance.npz")
    image, expected = torch.from_numpy(data["image"]), torch.from_numpy(data[f"{kind}.{case}.z"])
    if kind in KINDS:
        z, mask = KINDS[kind](image, *data[f"{kind}.{case}.t"])
    else:
        z, mask = TURNS[kind](image, measure.rotation(float(data[f"{kind}.{case}.angle"])))
    assert (z - expected).norm() < 1e-5 * expected.norm()                    # README of the recordings: usually 1e-6
    assert torch.equal(mask.expand_as(image), torch.from_numpy(data[f"{kind}.{case}.m"]))


@pytest.mark.parametrize("tx, ty", [(0.1, -0.06), (-0.124, 0.031), (0.0, 0.12)])
def test_move_is_the_sum_that_defines_it(tx, ty):
    x = torch.randn(1, 2, 20, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = x
    for dim, t in ((2, ty * 20), (3, tx * 24)):
        expected = _lanczos_sum(expected, dim, t)
    assert torch.allclose(measure.move(x, tx, ty)[0], expected, rtol=0, atol=1e-12)


def _lanczos_sum(x: torch.Tensor, dim: int, t: float) -> torch.Tensor:
    """z[o] = sum over k = -2 .. 3 of h[k] x[o - i - k], i = floor(t), h[k] = sinc(k - f) sinc((k - f) / 3) / sum."""
    x, whole = x.movedim(dim, 0), math.floor(t)
    h = {k: np.sinc(k - t + whole) * np.sinc((k - t + whole) / 3) for k in range(-2, 4)}
    z = torch.zeros_like(x)
    for o in range(len(x)):
        for k, tap in h.items():
            if 0 <= o - whole - k < len(x):
                z[o] += tap / sum(h.values()) * x[o - whole - k]
    return z.movedim(0, dim)


def test_a_picture_turned_by_a_right_angle_is_its_samples_elsewhere():
    """Where both grids are the same, a signal that they can hold is only moved."""
    axis = (torch.arange(64) - 31.5) / 64
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    image = (torch.sin(2 * math.pi * (5 * x + 3 * y)) + torch.sin(2 * math.pi * 7 * y + 1))[None, None]
    turned, mask = measure.transformed(image, measure.rotation(math.pi / 2))
    expected = torch.rot90(image, 1, dims=(2, 3))                            # counter-clockwise
    error = measure.masked_error(turned, expected, mask)
    assert mask.sum() > 0.5 * mask.numel()
    assert measure.level(np.array([error])).db > 30                          # bilinear between quarter samples: 1 %


def test_the_oriented_filter_passes_a_constant_in_every_phase():
    for up in (1, 4):
        f = measure.oriented_filter(measure.rotation(0.7), up)
        phases = torch.nn.functional.pad(f, (0, 1, 0, 1)).reshape(12, up, 12, up).sum(dim=(0, 2))
        assert torch.allclose(phases, torch.full((up, up), up ** -2.0, dtype=torch.float64))


def test_masked_error_counts_what_the_mask_shows():
    a, b, mask = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 2.0), torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    assert measure.masked_error(a, b, mask) == (4.0 * 48, 48)
    assert measure.level(np.array([[4.0 * 48, 48]]), measure.PEAK_DB).db == pytest.approx(0)     # all of the range


# -- the shift of layers ----------------------------------------------------------------------------------------------

def waves(size: int, rate: float, highest: float, dx: float = 0.0, dy: float = 0.0) -> torch.Tensor:
    """[8, size, size]: sums of waves up to `highest` cycles per sample, moved by (dx, dy) samples."""
    drawn = torch.Generator().manual_seed(1)
    radius, angle, phase = torch.rand(3, 8, 6, generator=drawn, dtype=torch.float64)
    fx, fy = radius * highest * (2 * math.pi * angle).cos(), radius * highest * (2 * math.pi * angle).sin()
    y, x = torch.meshgrid(torch.arange(size) - dy, torch.arange(size) - dx, indexing="ij")
    at = fx[..., None, None] * x + fy[..., None, None] * y + phase[..., None, None]
    return (2 * math.pi * at).sin().sum(dim=1).float()


@pytest.mark.parametrize("size, rate", [(36, 16), (52, 32), (64, 64), (45, 40)])
@pytest.mark.parametrize("dx, dy", [(0.5, 0.5), (1.37, -2.0), (-1.99, 0.01)])
def test_a_band_limited_layer_that_moves_is_above_75_db(size, rate, dx, dy):
    error = measure.shift_error(waves(size, rate, 0.35), waves(size, rate, 0.35, dx, dy), dx, dy, rate)
    assert measure.level(np.array([error])).db > 75


@pytest.mark.parametrize("planted_db", [10, 30, 50])
def test_a_planted_error_is_measured(planted_db):
    before, after = waves(64, 44, 0.3), waves(64, 44, 0.3, 1.4, -0.7)
    noise = torch.randn(after.shape, generator=torch.Generator().manual_seed(2))
    noise *= 10 ** (-planted_db / 20) * after.std() / noise.std()
    found = measure.level(np.array([measure.shift_error(before, after + noise, 1.4, -0.7, 44)])).db
    assert found == pytest.approx(planted_db, abs=0.5)           # 8 x 43 x 43 samples of both: 4 sigma are 0.3 dB


def test_a_layer_too_small_for_the_kernel_has_no_level():
    error = measure.shift_error(torch.randn(2, 12, 12), torch.randn(2, 12, 12), 0.5, 0.5, 12)
    assert error == (0, 0) and np.isnan(measure.level(np.array([error, error])).db)


# -- the interval -----------------------------------------------------------------------------------------------------

def test_level_is_the_ratio_of_sums():
    samples = np.array([[1.0, 100.0], [3.0, 300.0], [8.0, 200.0]])
    assert measure.level(samples).db == pytest.approx(-10 * math.log10(12 / 600))
    alone = measure.level(samples[:1])
    assert alone.db == pytest.approx(20) and np.isnan(alone.low) and np.isnan(alone.high)


def test_95_percent_of_the_intervals_hold_the_true_value():
    """Of 4000 estimates of 32 samples 95 % do, up to 4 standard deviations of that count (1.4 %) and 1 % for the
    errors' not being normal."""
    drawn = np.random.RandomState(0)
    weights = drawn.uniform(0.5, 1.5, (32, 4000))
    errors = 0.01 * weights * drawn.gamma(8, 1 / 8, weights.shape)           # ratio of means 0.01
    found = measure.level(np.stack([errors, weights], axis=-1))
    held = np.mean((found.low < 20) & (20 < found.high))
    assert abs(held - 0.95) < 0.024
