"""Ranges, offsets and limits of every mode against direct references in float64; sheets; what is not finite."""
import math

import numpy as np
import pytest
import torch

from nets.errors import UserError
from renderer import view
from renderer.colormaps import BACKDROP, BAD
from renderer.modes import pick
from renderer.types import View


def signal(channels=3, size=(5, 7), seed=0, scale=1.0) -> torch.Tensor:
    return torch.randn(channels, *size, generator=torch.Generator().manual_seed(seed)) * scale


RANGES = ["fixed", "symmetric", "minmax", "each"]
GREY = {"colormap": "grey"}              # its colours are the bytes


def planes_of(x: np.ndarray, wanted: View) -> np.ndarray:
    """[K, H, W]: what the mode shows of x [C, H, W], native sheets as they are."""
    return {"rgb": x[[min(i, len(x) - 1) for i in wanted.channels]], "channel": x[[wanted.channel]],
            "mean": x.mean(axis=0)[None], "rms": np.sqrt((x ** 2).mean(axis=0))[None], "sheet": x}[wanted.mode]


def level_of(planes: np.ndarray, wanted: View) -> np.ndarray:
    """y of types.View by its definition, float64."""
    finite = planes[np.isfinite(planes).all(axis=0)[None].repeat(len(planes), 0)
                    if wanted.mode == "rgb" else np.isfinite(planes)]
    if wanted.range == "symmetric":
        planes = planes / np.abs(finite).max()
    elif wanted.range == "minmax":
        planes = 2 * (planes - finite.min()) / (finite.max() - finite.min()) - 1
    elif wanted.range == "each":
        planes = planes / np.nanmax(np.where(np.isfinite(planes), np.abs(planes), np.nan), axis=(1, 2), keepdims=True)
    return 10 ** (wanted.gain_db / 20) * planes + wanted.offset


def shown_bytes(drawn: view.Drawn, wanted: View, count: int) -> np.ndarray:
    """[K, H, W]: the bytes of a picture in grey, a sheet's cells in their order."""
    if wanted.mode == "rgb":
        return drawn.picture.transpose(2, 0, 1)
    if wanted.mode != "sheet":
        return drawn.picture[None, ..., 0]
    (height, width), columns = drawn.cells.size, drawn.cells.columns
    corners = [(i // columns * height, i % columns * width) for i in range(count)]
    return np.stack([drawn.picture[y:y + height, x:x + width, 0] for y, x in corners])


@pytest.mark.parametrize("scale", [1.0, 0.01, 50.0])
@pytest.mark.parametrize("gain_db, offset", [(0.0, 0.0), (12.0, 0.0), (-6.0, 0.25), (3.0, -0.5)])
@pytest.mark.parametrize("how", RANGES)
@pytest.mark.parametrize("mode", ["rgb", "channel", "mean", "rms", "sheet"])
def test_every_mode_in_every_range(mode, how, gain_db, offset, scale):
    wanted = View(mode, (3, 0, 9), 2, **GREY, gain_db=gain_db, offset=offset, range=how)
    x = signal(5, (6, 4), 3, scale) + 0.3 * scale
    drawn = view.draw(pick(x, wanted), tuple(x.shape), wanted)
    y = level_of(planes_of(x.double().numpy(), wanted), wanted)
    exact = np.clip(127.5 * y + 127.5, 0, 255)
    wrong = np.abs(shown_bytes(drawn, wanted, 5) - exact).max()
    assert wrong <= 0.5 + 255 * 2e-5                                     # rounded to a byte, from float32


@pytest.mark.parametrize("gain_db, offset", [(0.0, 0.0), (20.0, 0.5), (-3.0, -2.0)])
@pytest.mark.parametrize("how", RANGES)
@pytest.mark.parametrize("mode", ["rgb", "channel", "mean", "rms", "pca", "sheet"])
def test_limits_are_the_values_in_the_first_and_the_last_colour(mode, how, gain_db, offset):
    wanted = View(mode, **GREY, gain_db=gain_db, offset=offset, range=how)
    x = signal(4, (8, 8), 1) + 0.5
    picked = pick(x, wanted)
    drawn = view.draw(picked, tuple(x.shape), wanted)
    if how == "each" and mode in ("rgb", "pca", "sheet"):
        assert drawn.limits is None
        return
    low, high = drawn.limits
    exact = np.clip(255 * (picked.y.double().numpy() - low) / (high - low), 0, 255)
    assert np.abs(shown_bytes(drawn, View("rgb") if mode == "pca" else wanted, 4) - exact).max() <= 0.5 + 255 * 2e-5


def test_limits_by_hand():
    x = torch.tensor([[[-1.0, 0.5, 3.0]]])

    def limits(**fields):
        return view.draw(pick(x, View("channel", **fields)), (1, 1, 3), View("channel", **fields)).limits
    assert limits() == (-1, 1)
    assert limits(range="symmetric") == limits(range="each") == (-3, 3)
    assert limits(range="minmax") == (-1, 3)
    assert limits(gain_db=20.0) == pytest.approx((-0.1, 0.1))
    assert limits(offset=0.5) == (-1.5, 0.5)
    assert limits(range="minmax", offset=1.0) == (-3, 1)
    assert view.draw(pick(x, View(range="each")), (1, 1, 3), View(range="each")).limits == (-3, 3)   # one channel
    with pytest.raises(UserError, match="'auto'.*minmax"):
        limits(range="auto")


def test_rms_uses_all_colours_from_its_least_to_its_largest():
    x = signal(6, (8, 8)) * 3
    least = view.picture(x, View("rms", **GREY, range="minmax"))
    assert (least.min(), least.max()) == (0, 255)
    for how in ("fixed", "symmetric"):
        assert view.picture(x, View("rms", **GREY, range=how)).min() >= 128


@pytest.mark.parametrize("how", RANGES)
def test_constants_divide_by_one(how):
    x = torch.full((3, 2, 2), 0.25 if how == "minmax" else 0.0)
    for mode in ("rgb", "channel", "mean", "sheet"):
        wanted = View(mode, **GREY, range=how, gain_db=500.0)
        drawn = view.draw(pick(x, wanted), (3, 2, 2), wanted)
        assert (shown_bytes(drawn, wanted, 3) == 128).all() and drawn.limits[0] < drawn.limits[1]


@pytest.mark.parametrize("how", RANGES)
@pytest.mark.parametrize("scale", [1e-45, 1e-40, 1e30, 3.4e38])
def test_the_ends_of_float32(how, scale):
    """Also of gain and offset."""
    x = torch.tensor([[[1.0, -1.0, 0.0]]]) * scale
    seen = view.picture(x, View("channel", **GREY, range=how))[0, :, 0].tolist()
    if how != "fixed":
        assert seen == [255, 0, 128]
    for extreme, expected in (({"offset": 1e300}, 255), ({"offset": -1e300}, 0), ({"gain_db": -1e300}, 128)):
        if how != "fixed" or "offset" in extreme and scale < 1:
            assert (view.picture(x, View("channel", **GREY, range=how, **extreme)) == expected).all()
    lone = torch.tensor([[[0.0, 1e-45]]])                                # half of it is nothing
    assert (view.picture(lone, View("channel", **GREY, range="minmax")) == 128).all()


# -- what is not finite, sheets ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", RANGES)
@pytest.mark.parametrize("mode", ["rgb", "channel", "mean", "rms", "sheet"])
def test_what_is_not_finite_is_magenta_and_no_part_of_the_range(mode, how):
    wanted = View(mode, (0, 1, 2), 1, **GREY, range=how)
    x = signal(3, (4, 5), 2)
    x[1, 2, 3], x[1, 0, 0], x[1, 3, 4] = math.nan, math.inf, -math.inf
    drawn = view.draw(pick(x, wanted), tuple(x.shape), wanted)
    magenta = (drawn.picture == np.array(BAD)).all(axis=2)
    assert magenta.sum() == 3
    if mode != "sheet":
        assert magenta[[2, 0, 3], [3, 0, 4]].all()
    planes = planes_of(x.double().numpy(), wanted)
    good = np.isfinite(planes)
    good = good & good.all(axis=0) if mode == "rgb" else good
    exact = np.clip(127.5 * level_of(np.where(good, planes, np.nan), wanted) + 127.5, 0, 255)
    assert np.abs(shown_bytes(drawn, wanted, 3) - exact)[good].max() <= 0.5 + 255 * 2e-5


@pytest.mark.parametrize("how", RANGES)
@pytest.mark.parametrize("mode", ["rgb", "channel", "mean", "rms", "pca", "sheet"])
@pytest.mark.parametrize("shape", [(4, 3, 3), (1, 1, 1), (5, 1, 1)])
def test_nothing_finite_is_all_magenta(mode, how, shape):
    picture = view.picture(torch.full(shape, torch.nan), View(mode, range=how))
    colours_seen = {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}
    unused = {BACKDROP} if mode == "sheet" and shape[0] == 5 else set()
    assert colours_seen == {BAD} | unused


@pytest.mark.parametrize("order", ["index", "energy"])
def test_sheet(order):
    """Cells without gaps; where a channel is missing in the last row is told by the backdrop."""
    x = signal(7, (6, 4), 8)
    wanted = View("sheet", colormap="magma", order=order)
    drawn = view.draw(pick(x, wanted), tuple(x.shape), wanted)
    cells = drawn.cells
    assert (cells.columns, cells.size, cells.origin) == (4, (6, 4), (0, 0)) and drawn.picture.shape == (12, 16, 3)
    assert sorted(cells.shown) == list(range(7)) and (cells.shown == tuple(range(7))) == (order == "index")
    for i, channel in enumerate(cells.shown):
        cell = drawn.picture[i // 4 * 6:][:6, i % 4 * 4:][:, :4]
        np.testing.assert_array_equal(cell, view.picture(x, View("channel", channel=channel, colormap="magma")))
    assert (drawn.picture[6:, 12:] == BACKDROP).all() and not drawn.picture.flags.writeable


@pytest.mark.parametrize("mode", ["mean", "rms", "pca", "sheet"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (512, 1, 1)])
def test_taps_of_one_channel_or_pixel(mode, shape):
    for how in RANGES:
        picture = view.picture(signal(shape[0], shape[1:]), View(mode, range=how))
        assert picture.shape[:2] == ((23, 23) if mode == "sheet" and shape[0] == 512 else shape[1:])
        assert not (picture == np.array(BAD)).all(axis=2).any()
        if mode == "pca" and shape[0] == 1:
            assert (picture == picture[..., :1]).all()


def test_drawing_leaves_what_was_picked():
    x = signal(4, (6, 6))
    for mode in ("rgb", "channel", "mean", "rms", "pca", "sheet"):
        wanted = View(mode, gain_db=6.0, offset=0.1, range="minmax")
        picked = pick(x, wanted)
        before, source = picked.y.clone(), x.clone()
        view.draw(picked, tuple(x.shape), wanted)
        assert torch.equal(picked.y, before) and torch.equal(x, source)
