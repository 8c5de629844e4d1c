"""What each mode takes of a tap, against direct references in float64."""
import math

import numpy as np
import pytest
import torch

from nets.errors import UserError
from renderer import modes
from renderer.modes import of_pick, pick, sheet_layout, shown_size
from renderer.types import View

EPS = float(np.finfo(np.float32).eps)
DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
SHAPES = [(1, 1, 1), (5, 1, 1), (1, 7, 5), (2, 6, 6), (8, 9, 16), (40, 12, 4)]


def tap(shape, seed=0, dtype=torch.float32, scale=1.0) -> torch.Tensor:
    """Channels of different strength and mean."""
    generator = torch.Generator().manual_seed(seed)
    strength = torch.rand(shape[0], 1, 1, generator=generator) + 0.1
    return ((torch.randn(shape, generator=generator) + 0.5) * strength * scale).to(dtype)


def in_float64(x: torch.Tensor) -> np.ndarray:
    return x.double().numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_mean_and_rms(shape, dtype):
    x = tap(shape, dtype=dtype)
    values = in_float64(x)
    for mode, expected in (("mean", values.mean(axis=0)), ("rms", np.sqrt((values ** 2).mean(axis=0)))):
        y = pick(x, View(mode)).y
        assert y.dtype == torch.float32 and y.shape == (1, *shape[1:])
        np.testing.assert_allclose(y[0].numpy(), expected, rtol=2 * EPS, atol=2 * EPS * np.abs(values).max())


def test_many_rows_are_many_strips(monkeypatch):
    x = tap((6, 50, 7))
    whole = [pick(x, View(mode)).y for mode in ("mean", "rms")]
    monkeypatch.setattr(modes, "STRIP", 7 * 8 + 3)
    assert all(torch.equal(pick(x, View(mode)).y, y) for mode, y in zip(("mean", "rms"), whole))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_squares_of_float32_have_room(scale):
    x = tap((3, 4, 4), scale=scale)
    expected = np.sqrt((in_float64(x) ** 2).mean(axis=0))
    np.testing.assert_allclose(pick(x, View("rms")).y[0].numpy(), expected, rtol=2 * EPS)
    order = pick(x, View("sheet", order="energy")).channels
    assert order == tuple(np.argsort(-(in_float64(x) ** 2).mean(axis=(1, 2)), kind="stable"))


# -- principal components ---------------------------------------------------------------------------------------------

def components(x: np.ndarray) -> np.ndarray:
    """Coordinates [up to 3, H, W] along the principal axes by singular values, signed as the docstring says."""
    flat = x.reshape(len(x), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    axes = np.linalg.svd(centred)[0].T[:3]
    axes *= np.where((axes ** 3).sum(axis=1) < 0, -1, 1)[:, None]
    return (axes @ centred).reshape(-1, *x.shape[1:])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, scale", [((8, 9, 16), 1.0), ((40, 12, 4), 1e-25), ((4, 30, 31), 1e25)])
def test_pca(shape, scale, dtype):
    if scale != 1 and dtype == torch.float16:
        pytest.skip("beyond its range")
    x = tap(shape, 1, dtype, scale)
    y, expected = pick(x, View("pca")).y, components(in_float64(x))
    assert y.dtype == torch.float32 and y.shape == (3, *shape[1:])
    largest = np.abs(in_float64(x)).max()
    np.testing.assert_allclose(y.numpy(), expected, rtol=0, atol=8 * EPS * np.sqrt(shape[0]) * largest)
    spread = y.double().flatten(1).std(dim=1)
    assert spread[0] >= spread[1] >= spread[2]


def test_pca_finds_the_one_thing_that_varies():
    pattern = torch.linspace(-1, 1, 64).reshape(8, 8)
    x = torch.stack([3 * pattern + 5, -4 * pattern, torch.full((8, 8), 2.0)])
    y = pick(x, View("pca")).y
    torch.testing.assert_close(y[0], -5 * pattern)              # the axis (3, -4, 0) / 5: the larger element leads
    torch.testing.assert_close(y[1:], torch.zeros(2, 8, 8), atol=1e-5, rtol=0)


def test_pca_keeps_its_signs_along_a_small_change():
    x = tap((16, 10, 10), 2)
    y = pick(x, View("pca")).y
    for seed in range(5):
        near = pick(x + 1e-3 * tap((16, 10, 10), seed), View("pca")).y
        assert ((near * y).sum(dim=(1, 2)) > 0).all()


def test_pca_of_a_sample_of_very_many_pixels(monkeypatch):
    """The axes come from every third pixel, the picture has them all."""
    x = tap((5, 16, 16), 3)
    monkeypatch.setattr(modes, "PCA_PIXELS", 100)
    flat = in_float64(x).reshape(5, -1)
    sample = flat[:, ::3]
    axes = np.linalg.svd(sample - sample.mean(axis=1, keepdims=True))[0].T[:3]
    axes *= np.where((axes ** 3).sum(axis=1) < 0, -1, 1)[:, None]
    expected = axes @ (flat - sample.mean(axis=1, keepdims=True))
    np.testing.assert_allclose(pick(x, View("pca")).y.flatten(1).numpy(), expected, atol=20 * EPS * np.abs(flat).max())


@pytest.mark.parametrize("shape, components", [((1, 5, 5), 1), ((2, 5, 5), 2), ((6, 1, 1), 3), ((1, 1, 1), 1)])
def test_pca_of_few_channels_or_one_pixel(shape, components):
    y = pick(tap(shape), View("pca")).y
    assert y.shape == (components, *shape[1:]) and torch.isfinite(y).all()
    if shape[1:] == (1, 1):
        assert y.abs().max() <= EPS * 4                                  # nothing varies


def test_pca_leaves_out_what_is_not_finite():
    x = tap((6, 8, 8))
    x[2, 3, 4], x[0, 0, 0], x[5, 7, 7] = math.nan, math.inf, -math.inf
    y, good = pick(x, View("pca")).y, torch.isfinite(x).all(dim=0)
    assert torch.equal(torch.isfinite(y).all(dim=0), good)
    expected = components(in_float64(x[:, good])[:, None])[:, 0]
    np.testing.assert_allclose(y[:, good].numpy(), expected, atol=20 * EPS * 4)
    assert not torch.isfinite(pick(torch.full((3, 2, 2), math.nan), View("pca")).y).any()


# -- the contact sheet ------------------------------------------------------------------------------------------------

def area(x: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Means over `size` equal stretches: differences of the integral, which is linear between whole numbers."""
    full = x.shape[axis]
    integral = np.concatenate([np.zeros_like(x.take([0], axis)), x.cumsum(axis)], axis)
    edges = np.arange(size + 1) * full / size
    at = np.apply_along_axis(lambda line: np.interp(edges, np.arange(full + 1), line), axis, integral)
    return np.diff(at, axis=axis) * size / full


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, pixels", [((6, 64, 64), 6000), ((3, 50, 70), 4000), ((5, 33, 31), 3000),
                                           ((2, 200, 20), 6000)])
def test_large_channels_are_filtered_by_area(monkeypatch, shape, pixels, dtype):
    monkeypatch.setattr(modes, "SHEET_PIXELS", pixels)
    columns, (height, width) = sheet_layout(shape)
    assert height < shape[1] and width <= shape[2]
    assert columns * width * math.ceil(shape[0] / columns) * height <= pixels
    x = tap(shape, dtype=dtype)
    y = pick(x, View("sheet")).y
    expected = area(area(in_float64(x), height, 1), width, 2)
    assert y.dtype == torch.float32 and y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=0, atol=8 * EPS * np.abs(in_float64(x)).max())


def test_the_finest_checks_vanish_in_a_smaller_cell(monkeypatch):
    """Never aliased: they would come out as large ones if pixels were only left out."""
    monkeypatch.setattr(modes, "SHEET_PIXELS", 32 * 32)
    y, x = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    assert pick(((-1.0) ** (x + y))[None], View("sheet")).y.abs().max() == 0


def test_what_is_not_finite_stays_in_its_pixel_of_a_smaller_cell(monkeypatch):
    monkeypatch.setattr(modes, "SHEET_PIXELS", 2 * 20 * 20)
    x = tap((2, 50, 50))
    x[1, 26, 41] = math.nan
    y = pick(x, View("sheet")).y
    assert y.shape == (2, 20, 20) and torch.isnan(y).nonzero().tolist() == [[1, 10, 16]]


def test_order_by_energy():
    x = tap((9, 4, 4), 4)
    x[6] = x[2]
    energy = (in_float64(x) ** 2).mean(axis=(1, 2))
    picked = pick(x, View("sheet", order="energy"))
    assert picked.channels == tuple(np.argsort(-energy, kind="stable")) and sorted(picked.channels) == list(range(9))
    assert picked.channels.index(6) == picked.channels.index(2) + 1      # of equals the earlier first
    assert torch.equal(picked.y, x[list(picked.channels)])
    assert pick(x, View("sheet")).channels == tuple(range(9))
    x[4, 0, 0], x[7, 1, 1] = math.nan, math.inf
    assert pick(x, View("sheet", order="energy")).channels[:2] == (4, 7)


@pytest.mark.parametrize("shape", [(1, 1, 1), (512, 1, 1), (3, 4, 4), (512, 64, 64), (512, 148, 148), (32, 1024, 1024),
                                   (64, 1044, 1044), (4096, 64, 64), (7, 32, 16), (64, 8, 512), (30000, 40, 40)])
def test_layouts(shape):
    """Native size where that fits, never below 16 pixels, about as wide as high, at most about 4 megapixels."""
    (count, height, width), (columns, cell) = shape, sheet_layout(shape)
    rows = math.ceil(count / columns)
    assert 1 <= columns <= count and (rows - 1) * columns < count <= rows * columns
    native = columns * rows * height * width <= 4 << 20
    assert (cell == (height, width)) == native
    assert all(min(16, full) <= size <= full for size, full in zip(cell, (height, width)))
    assert columns * rows * math.prod(cell) <= 4 << 20 or 16 in cell
    assert shown_size(shape, "sheet") == (rows * cell[0], columns * cell[1]) and shown_size(shape, "pca") == shape[1:]
    if count >= 16:
        assert 0.4 < rows * cell[0] / (columns * cell[1]) < 2.5


def test_modes_that_do_not_exist():
    with pytest.raises(UserError, match="'max'.*rms"):
        pick(tap((3, 4, 4)), View("max"))


def test_the_part_of_a_view_that_is_picked_by():
    """Whatever else differs, what is picked is the same; what is left in makes a difference."""
    given = View("rgb", (2, 1, 0), 2, "magma", 3.0, 0.5, "each", "energy")
    x = tap((4, 6, 6), 5)
    for mode in ("rgb", "channel", "mean", "rms", "pca", "sheet"):
        view = View(**{**vars(given), "mode": mode})
        part, whole = pick(x, of_pick(view)), pick(x, view)
        assert torch.equal(part.y, whole.y) and part.channels == whole.channels
        assert of_pick(view) == of_pick(View(**{**vars(view), "gain_db": 9.0, "range": "minmax", "colormap": "grey"}))
