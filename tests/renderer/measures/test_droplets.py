"""Droplets: the definitions word by word, planted blobs of known place, size and strength, and fields without any."""
import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from renderer.measures import droplets
from renderer.measures.droplets import Blob

SIZES = (16, 32, 64, 128, 256)
DROPLET = Blob(1000.0, 0.5, (0, 0), (0.3, 0.7), 0.002, 1.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """(y, x) of the pixels' centres in image units, [size, size] each."""
    at = (np.arange(size) + 0.5) / size
    return np.meshgrid(at, at, indexing="ij")


def signs(channels: int, size: int, seed: int = 0) -> np.ndarray:
    """A texture whose energy is 1 in each pixel: [C, H, W]."""
    return rng(seed).choice([-1.0, 1.0], (channels, size, size))


def planted(size: int, channels: int = 8, strength: float = 900.0, place=(0.32, 0.71), radius: float = 0.04,
            seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A texture of energy 1 with a disc of energy `strength`, at least its central pixel: ([C, H, W], where [H, W])."""
    y, x = grid(size)
    distance = np.hypot(y - place[0], x - place[1])
    inside = (distance <= radius) | (distance == distance.min())
    return signs(channels, size, seed) * np.where(inside, math.sqrt(strength), 1.0), inside


def found(x: np.ndarray) -> Blob:
    return droplets.strongest(droplets.energy(torch.from_numpy(x)), x.shape[1:])


# -- definitions ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [(5, 33, 41), (3, 64, 64), (1, 4, 4), (16, 100, 100)])
def test_strongest_is_the_definition(shape):
    x = rng().standard_normal(shape)
    e = (x ** 2).mean(axis=0)
    blob, values = found(x), np.sort(e.ravel())
    top = max(1, e.size // 1000)
    assert blob.peak_ratio == pytest.approx(values[-1] / values[(len(values) - 1) // 2], rel=1e-12)
    assert blob.share == pytest.approx(values[-top:].sum() / values.sum(), rel=1e-12)
    assert blob.pixel == np.unravel_index(e.argmax(), e.shape)
    parts, _ = ndimage.label(e > e.max() / 10, np.ones((3, 3)))
    own, above = parts == parts[blob.pixel], parts > 0
    assert blob.area == pytest.approx(own.sum() / e.size)
    assert blob.dominance == pytest.approx(e[own].sum() / e[above].sum(), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_energy_of_every_type(dtype):
    x = torch.randn(7, 9, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    e = droplets.energy(x)
    assert e.dtype == torch.promote_types(dtype, torch.float32)
    torch.testing.assert_close(e.double(), x.double().square().mean(dim=0), rtol=1e-6, atol=0)


def test_energy_leaves_out_what_is_not_finite():
    x = torch.ones(2, 3, 3)
    x[0, 1, 1], x[1, 0, 0] = torch.inf, torch.nan
    e = droplets.energy(x)
    expected = torch.ones(3, 3)
    expected[1, 1] = expected[0, 0] = 0
    torch.testing.assert_close(e, expected)


def test_a_region_is_connected_at_corners_and_only_around_the_peak():
    e = torch.zeros(8, 8)
    e[1, 1], e[2, 2], e[3, 2], e[6, 6], e[5, 5] = 10, 1.5, 1, 9, 9       # 1 is a tenth of the peak, not above it
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[1, 1] = expected[2, 2] = True
    assert torch.equal(droplets.region(e), expected)
    assert droplets.region(torch.zeros(4, 4)).all() and droplets.region(torch.ones(4, 4)).all()


def test_silence_has_no_peak():
    blob = found(np.zeros((2, 8, 8)))
    assert blob.peak_ratio == 1 and blob.share == 0 and not blob.stands_out
    alone = np.zeros((2, 64, 64))
    alone[:, 3, 4] = 1
    assert found(alone).peak_ratio == math.inf and found(alone).stands_out


def test_margins_lie_outside_the_image():
    """A map of 84 samples at 64 samples per image: 10 on each side are margin."""
    e = torch.ones(84, 84)
    e[10, 73] = 1000
    blob = droplets.strongest(e, (64, 64))
    assert blob.place == pytest.approx((0.5 / 64, 63.5 / 64)) and blob.area == pytest.approx(1 / 64 ** 2)
    e[10, 73], e[9, 74] = 1, 1000
    assert droplets.strongest(e, (64, 64)).place == pytest.approx((-0.5 / 64, 64.5 / 64))


# -- ground truth -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", [(0.32, 0.71), (0.02, 0.97), (0.5, 0.5)])
@pytest.mark.parametrize("strength, radius", [(200.0, 0.02), (900.0, 0.04), (1e5, 0.06)])
def test_a_planted_droplet_is_found(size, place, strength, radius):
    """Place within a pixel, share within 1 %, peak ratio and area as planted."""
    x, inside = planted(size, strength=strength, place=place, radius=radius)
    blob, count, top = found(x), inside.sum(), max(1, size * size // 1000)
    held = min(top, count) * strength + max(top - count, 0)
    share = held / (count * strength + size * size - count)
    centre = np.argwhere(inside).mean(axis=0)
    assert blob.peak_ratio == pytest.approx(strength, rel=1e-6)
    assert blob.share == pytest.approx(share, rel=1e-6)
    assert blob.area == pytest.approx(count / size ** 2)
    # all of a disc is as strong: the peak is any of its pixels
    assert max(abs(at - c) for at, c in zip(blob.pixel, centre)) <= radius * size + 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_a_bell_in_noise_is_found(size, seed):
    """As droplets look: a bell of known height in 64 channels of Gaussian features. What these add to the energy of its
    peak is 2 / sqrt(64 height) of it, 0.13 %."""
    y, x = grid(size)
    place, sigma, height = (0.61, 0.23), 1.2 / size + 0.01, 4e4
    bell = height * np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / (2 * sigma ** 2))
    noise = rng(seed).standard_normal((64, size, size))
    blob = found(noise + np.sqrt(bell) * signs(64, 1, seed))
    expected = np.sort((1 + bell).ravel())
    top = max(1, size * size // 1000)
    assert max(abs(p - q) for p, q in zip(blob.place, place)) <= 1 / size
    assert blob.share == pytest.approx(expected[-top:].sum() / expected.sum(), rel=0.01)
    assert blob.stands_out == (blob.area <= droplets.LARGEST_AREA)


def fractal(size: int, seed: int) -> np.ndarray:
    """Noise of power 1 / f², [1, size, size], deviation 1: the same picture at every size, up to its detail."""
    noise = np.fft.fft2(rng(seed).standard_normal((256, 256)))
    f = np.fft.fftfreq(256) * 256
    radius = np.maximum(np.hypot(f[:, None], f), 1)
    keep = (np.abs(f[:, None]) < size / 2) & (np.abs(f) < size / 2)
    picture = np.fft.ifft2(noise / radius * keep).real[::256 // size, ::256 // size]
    return (picture / picture.std())[None]


def fields(size: int) -> dict[str, np.ndarray]:
    """Maps without a droplet, each as it looks at that resolution: the same pictures, so peaks keep their place."""
    y, x = grid(size)
    bump = np.exp(-((y - 0.3) ** 2 + (x - 0.6) ** 2) / (2 * 0.12 ** 2))
    checks = np.where((np.floor(8 * y) + np.floor(8 * x)) % 2, 1.0, 0.1)
    weave = np.sin(2 * np.pi * 5 * x) + np.sin(2 * np.pi * 7 * y)
    noise = rng(7).standard_normal((16, size, size))
    return {
        "constant": np.ones((4, size, size)),
        "slope": np.stack([x, y, x + y]),
        "soft object": np.stack([bump, 2 * bump, -bump]),
        "object on nothing": (bump > 0.5)[None] * 1.0,
        "checks": checks[None],
        "weave": weave[None],
        "weave on silence": weave[None] * bump,
        "noise of one channel": noise[:1],
        "noise": noise,
        "rectified noise": np.maximum(noise, 0.2 * noise),
        "1/f of one channel": fractal(size, 1),
        "1/f": np.concatenate([fractal(size, seed) for seed in range(6)]),
    }


@pytest.mark.parametrize("name", fields(16))
def test_none_is_found_on_smooth_and_textured_fields(name):
    blobs = [found(fields(size)[name]) for size in SIZES]
    assert not any(droplets.persistent(blobs, SIZES)), blobs


def test_gaussian_noise_stays_below_the_least_ratio():
    """What LEAST_RATIO rests on: one channel, a million pixels."""
    e = torch.randn(1024, 1024, generator=torch.Generator().manual_seed(0)).square()
    assert droplets.strongest(e, (1024, 1024)).peak_ratio < 0.75 * droplets.LEAST_RATIO


@pytest.mark.parametrize("sizes", [(16, 32, 64), (32, 64, 128, 256), (8, 16, 32, 64)])
def test_a_planted_droplet_persists(sizes):
    rates = [size for size in SIZES for _ in range(2)]
    blobs = [found(planted(size, radius=0.03, seed=i)[0] if size in sizes else signs(8, size, i))
             for i, size in enumerate(rates)]
    assert droplets.persistent(blobs, rates) == [size in sizes for size in rates]


# -- persistence ------------------------------------------------------------------------------------------------------

def test_two_resolutions_are_too_few():
    calm = DROPLET._replace(peak_ratio=3.0)
    assert droplets.persistent([calm, DROPLET, DROPLET, calm], [8, 16, 32, 64]) == [False] * 4
    assert droplets.persistent([DROPLET, DROPLET], [64, 64]) == [False] * 2


def test_resolutions_are_consecutive():
    calm = DROPLET._replace(peak_ratio=99.0)
    rates = [8, 16, 32, 64, 128, 256]
    blobs = [DROPLET, DROPLET, calm, DROPLET, DROPLET, DROPLET]
    assert droplets.persistent(blobs, rates) == [False, False, False, True, True, True]
    assert droplets.persistent(blobs[::-1], rates[::-1]) == [True, True, True, False, False, False]


def test_one_layer_of_a_resolution_is_enough():
    calm = DROPLET._replace(peak_ratio=3.0)
    blobs, rates = [DROPLET, calm, calm, DROPLET, DROPLET, calm], [16, 16, 32, 32, 64, 64]
    assert droplets.persistent(blobs, rates) == [True, False, False, True, True, False]


def test_a_droplet_keeps_its_place():
    def at(y: float, x: float) -> Blob:
        return DROPLET._replace(place=(y, x))
    near, far = 0.3 + 0.9 * droplets.NEAR, 0.3 + 2.5 * droplets.NEAR
    rates = [64, 128, 256]
    assert droplets.persistent([at(0.3, 0.7), at(near, 0.7), at(0.3, 0.7)], rates) == [True] * 3
    assert droplets.persistent([at(0.3, 0.7), at(far, 0.7), at(0.3, 0.7)], rates) == [False] * 3
    assert droplets.persistent([at(0.3, 0.7), at(far, 0.7), at(0.3, 0.7)], [8, 16, 32]) == [True] * 3    # 1.5 pixels


def test_one_of_many_is_no_droplet():
    one = DROPLET._replace(dominance=0.9 * droplets.LEAST_DOMINANCE)
    assert droplets.persistent([one, DROPLET, DROPLET], [64, 128, 256]) == [False] * 3


def test_what_is_large_is_no_droplet():
    large = DROPLET._replace(area=1.1 * droplets.LARGEST_AREA)
    assert droplets.persistent([DROPLET, DROPLET, large], [64, 128, 256]) == [False] * 3


# -- cause ------------------------------------------------------------------------------------------------------------

def test_spreads_and_the_rest():
    x, inside = planted(32, channels=5)
    rest = droplets.rest(droplets.energy(torch.from_numpy(x)))
    assert np.array_equal(rest, ~inside)
    whole, without = droplets.spreads(torch.from_numpy(x), rest)
    np.testing.assert_allclose(whole, x.std(axis=(1, 2)), rtol=1e-12)
    np.testing.assert_allclose(without, x[:, ~inside].std(axis=1), rtol=1e-12)
    assert (whole > 2 * without).all()


def test_what_covers_half_of_a_map_is_left_in():
    assert droplets.rest(torch.ones(4, 4)).all()


@pytest.mark.parametrize("dtype, error", [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 2 ** -8)])
def test_normalisation_without_the_blob(dtype, error):
    """Each sample without its own; the rest then has mean 0 and variance 1, as it would without a blob."""
    samples = [planted(32, channels=5, place=place, seed=seed) for seed, place in enumerate([(0.3, 0.7), (0.6, 0.2)])]
    x = torch.from_numpy(np.stack([x for x, _ in samples])).to(dtype)
    copy, y = x.clone(), droplets.normalise_without_blob(x)
    assert y.dtype == dtype and y.shape == x.shape and torch.equal(x, copy)
    for given, ours, (_, inside) in zip(x.double().numpy(), y.double().numpy(), samples):
        rest = given[:, ~inside]
        mean, var = rest.mean(axis=1)[:, None, None], rest.var(axis=1)[:, None, None]
        expected = (given - mean) / np.sqrt(var + 1e-8)
        np.testing.assert_allclose(ours, expected, rtol=error, atol=error)
