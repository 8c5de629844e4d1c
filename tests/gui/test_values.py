"""What is behind pixels, cells, numbers' colours and the legend: without a window."""
from dataclasses import replace

import fake
import numpy as np
import pytest

from gui import cells, legend, numbers, requests, values
from gui.card import columns
from gui.placement import FIT, Placement, halves, on_screen, pixels_in
from renderer.types import (
    Array,
    Cells,
    Checkpoint,
    Latent,
    Mix,
    MixTable,
    RenderRequest,
    RenderResult,
    SeedGrid,
    Source,
    View,
    sources,
)

TAP = RenderRequest(Checkpoint("a/plain.pkl"), Latent(3), tap="b8.conv0.act")
IMAGE = replace(TAP, tap="image")


def shown(view: View, request: RenderRequest = TAP) -> RenderResult:
    return fake.answer(replace(request, view=view))


def at(result: RenderResult, x: int, y: int) -> np.ndarray:
    return values.behind(result, np.array(y), np.array(x))


# -- values -----------------------------------------------------------------------------------------------------------

def test_each_mode_shows_the_signal_behind_a_pixel():
    truth = shown(View()).values
    assert np.array_equal(at(shown(View(channels=(4, 0, 99))), 2, 6), truth[[4, 0, 63], 6, 2])
    assert np.array_equal(at(shown(View("channel", channel=5)), 2, 2), [3])
    assert np.allclose(at(shown(View("mean")), 1, 7), truth[:, 7, 1].mean())
    assert np.allclose(at(shown(View("rms")), 1, 7), np.sqrt(np.mean(truth[:, 7, 1] ** 2)))
    pca = shown(View("pca"))
    assert np.array_equal(at(pca, 1, 7), pca.picture[7, 1]) and at(pca, 1, 7).dtype == np.uint8


def test_many_pixels_at_once_are_each_as_alone():
    result = shown(View("sheet"))
    y, x = np.mgrid[10:30, 3:20]
    block = values.behind(result, y, x)
    assert block.shape == (1, 20, 17)
    assert all(block[0, j, i] == at(result, 3 + i, 10 + j) for j in (0, 7, 19) for i in (0, 9, 16))


def test_a_sheet_names_the_channel_and_its_pixel():
    result = shown(View("sheet"))                        # 8 x 8 channels of 8 x 8
    assert values.place(result, 5 * 8 + 2, 2) == (5, 2, 2) and at(result, 5 * 8 + 2, 2)[0] == 3
    assert values.place(result, 63, 63) == (63, 7, 7)
    assert np.array_equal(values.column(result, 5 * 8 + 2, 2), result.values[:, 2, 2])
    few = shown(View("sheet"), IMAGE)                    # three channels in four cells
    assert at(few, 100, 100).mask.all() and values.column(few, 100, 100) is None
    assert "between" in values.readout(few, 100, 100)


def test_a_grid_of_seeds_has_colours_only():
    result = fake.answer(replace(IMAGE, seeds=SeedGrid((1, 2, 3, 4))))
    assert at(result, 70, 3).dtype == np.uint8 and values.column(result, 70, 3) is None
    assert values.readout(result, 70, 3).split()[:4] == ["x", "70", "y", "3"]


def test_readout_says_position_values_and_colours():
    result = shown(View(), IMAGE)
    red, green, blue = result.picture[9, 4]
    words = values.readout(result, 4, 9).replace("−", "-").split()
    assert words[:4] == ["x", "4", "y", "9"] and words[-4:] == ["RGB", str(red), str(green), str(blue)]
    assert words[4::2][:3] == ["R", "G", "B"]
    assert np.allclose([float(w) for w in words[5:10:2]], result.values[:, 9, 4], rtol=1e-3)
    assert "#5" in values.readout(shown(View("channel", channel=5)), 0, 0)


@pytest.mark.filterwarnings("error")
def test_what_is_not_finite_is_said_and_does_no_harm():
    for mode, said in (("mean", "mean"), ("rms", "RMS"), ("channel", "#5"), ("rgb", "#0")):
        result = shown(View(mode, channel=5))
        broken = result.values.copy()
        broken[[0, 5], 2, 2] = np.inf, -np.inf
        broken[1, 2, 2] = np.nan
        words = values.readout(replace(result, values=broken), 2, 2)
        assert said in words and ("nan" in words or "inf" in words), words


@pytest.mark.parametrize("value, words", [(0.12345, "0.123"), (-12.34, "−12.3"), (123.4, "123"), (99.97, "100"),
                                          (1234.0, "1.23e3"), (1.7e-5, "1.7e−5"), (np.nan, "nan"), (-np.inf, "−inf")])
def test_values_inside_pixels_are_short(value, words):
    assert values.compact(value) == words


def test_the_strongest_channels_come_first_and_bad_ones_before():
    found = values.summary(np.array([1, -4, 0, 2, np.nan], np.float32), count=3)
    assert (found.least, found.most, found.nonfinite) == (-4, 2, 1) and found.mean == -0.25
    assert [channel for channel, *_ in found.strongest] == [4, 1, 3]
    assert found.strongest[1][2] == pytest.approx(16 / 21) and found.strongest[0][2] == 0
    assert values.summary(np.full(2, np.nan, np.float32)).nonfinite == 2


def test_bars_of_many_channels_keep_every_extreme():
    many = np.random.default_rng(0).normal(size=512).astype(np.float32)
    many[100], many[300] = 40, np.inf
    least, most = columns(many, 200)
    assert len(least) == len(most) == 200 and most.max() == 40 and least.min() == np.min(many)
    assert [len(c) for c in columns(many[:3], 200)] == [3, 3]


# -- cells ------------------------------------------------------------------------------------------------------------

LABELLED = Cells(2, (8, 4), (3, 5), (7, 1, None))        # cells of 4 x 8 pixels, after labels


def test_cells_are_found_by_their_pixels():
    boxes = [cells.box_of(LABELLED, index) for index in range(3)]
    assert boxes == [(5, 3, 9, 11), (9, 3, 13, 11), (5, 11, 9, 19)]
    for index, (x0, y0, x1, y1) in enumerate(boxes):
        assert cells.cell_at(LABELLED, x0, y0) == cells.cell_at(LABELLED, x1 - 1, y1 - 1) == index
    assert {cells.cell_at(LABELLED, *point) for point in ((4, 3), (5, 2), (13, 3), (9, 11), (5, 19))} == {None}
    channel, y, x = cells.channel_at(LABELLED, (8, 4), np.array([3, 10, 11, 3]), np.array([5, 12, 5, 0]))
    assert channel.tolist() == [7, 1, -1, -1] and (y[:2].tolist(), x[:2].tolist()) == ([0, 7], [0, 3])


def test_a_sheet_of_smaller_cells_names_the_signals_pixels():
    """Four pixels of the signal to one of the sheet, each way, as the renderer lays out very large ones."""
    y, x = np.array([3, 10]), np.array([5, 8])
    channel, y, x = cells.channel_at(LABELLED, (32, 16), y, x)
    assert (channel.tolist(), y.tolist(), x.tolist()) == ([7, 7], [2, 30], [2, 14])
    from renderer.modes import sheet_layout
    columns, (height, width) = sheet_layout((512, 1024, 1024))
    assert height < 1024
    result = RenderResult(replace(TAP, view=View("sheet")), None, np.zeros((height, width, 3), np.uint8),
                          np.arange(16, dtype=np.float32).reshape(1, 4, 4), cells=Cells(1, (2, 2), (0, 0), (0,)))
    assert at(result, 1, 0) == result.values[0, 1, 3] and values.place(result, 1, 0) == (0, 3, 1)


def test_a_click_on_a_sheet_chooses_the_channel():
    request = replace(TAP, view=View("sheet", gain_db=6))
    assert cells.chosen(request, LABELLED, 0).view == View("channel", channel=7, gain_db=6)
    assert cells.chosen(request, LABELLED, 2) == request


def test_a_click_on_a_seed_goes_there():
    request = replace(IMAGE, seeds=SeedGrid((7, 1)), latent=Latent(5, psi=0.5))
    after = cells.chosen(request, LABELLED, 0)
    assert after.seeds is None and requests.seed_of(after.latent) == 7 and after.latent.psi == 0.5
    assert "seed 7" in cells.named(request, LABELLED, 0) and cells.named(request, LABELLED, 2) == ""


def table_cells(columns: int, rows: int) -> Cells:
    return Cells(columns, (8, 8), (0, 0), (None,) * columns * rows)


def test_a_click_on_a_table_shows_that_mix():
    saved = Array.of(np.ones((10, 4), np.float32))
    table = MixTable((Source(3), Source(w=saved, name="smile")), (Source(10), Source(w=saved)), (0, 1))
    request = replace(IMAGE, table=table, mix=Mix(Source(9), (7,)))
    with_sources = table_cells(3, 3)
    after = cells.chosen(request, with_sources, 4)       # A 3 in B 10
    assert (after.table, after.mix, requests.seed_of(after.latent)) == (None, Mix(Source(3), (0, 1)), 10)
    after = cells.chosen(request, with_sources, 8)       # A smile in a saved B
    assert after.mix == Mix(table.across[1], (0, 1)) and after.latent.w.shape == (1, 10, 4)
    head = cells.chosen(request, with_sources, 1)        # A 3 alone
    assert head.mix.rows == () and requests.seed_of(head.latent) == 3
    assert cells.chosen(request, with_sources, 0) == request
    assert cells.chosen(request, table_cells(2, 2), 0) == cells.chosen(request, with_sources, 4)
    assert cells.named(request, with_sources, 5).startswith("A smile in B seed 10")
    assert cells.named(request, with_sources, 0) == ""


def test_dragging_moves_over_the_plane_and_not_beyond():
    request = replace(IMAGE, latent=Latent(5.0, 2.0))
    assert requests.dragged(request, (75, -30), 150).latent == Latent(5.5, 1.8)
    assert requests.dragged(request, (-1e6, -1e6), 150).latent == Latent(0.0, 0.0)
    fixed = replace(IMAGE, latent=Latent(w=Array.of(np.zeros((1, 2, 2)))))
    assert requests.dragged(fixed, (75, 0), 150) == fixed


# -- geometry, colours ------------------------------------------------------------------------------------------------

def test_pixels_in_sight():
    room, size = (0, 0, 100, 80), (20, 20)
    assert pixels_in(room, (0, 0, 100, 80), size) == (0, 0, 20, 20)
    assert pixels_in(room, (-50, 10, 150, 170), size) == (5, 0, 15, 9)
    assert pixels_in(room, (200, 0, 300, 80), size)[0] == pixels_in(room, (200, 0, 300, 80), size)[2]
    assert on_screen((5, 0, 6, 1), (-50, 10, 150, 170), size) == (0, 10, 10, 18)


def test_halves_are_alike():
    left, right = halves((10, 0, 111, 50), 4)
    assert left == (10, 0, 58, 50) and right == (63, 0, 111, 50)
    place = Placement((0.3, 0.4), 300.0)
    one, other = (place.rectangle(room, (64, 64)) for room in (left, right))
    assert other[0] - one[0] == right[0] - left[0] and FIT.rectangle(left, (8, 8))[1] == FIT.rectangle(right, (8, 8))[1]


@pytest.mark.parametrize("count", [1, 3])
def test_numbers_can_be_read_on_any_colour(count):
    level = np.linspace(0, 255, 18).round().astype(np.uint8)
    grounds = np.stack(np.meshgrid(level, level, level), -1).reshape(-1, 3)
    inks = numbers.inks_on(grounds, count)
    colours = np.stack([inks & 255, inks >> 8 & 255, inks >> 16 & 255], -1).astype(float)
    ratio = numbers.contrast(numbers.luminance(colours), numbers.luminance(grounds.astype(float))[:, None])
    assert ratio.min() >= numbers.CONTRAST
    if count == 3:
        red, green, blue = colours[0]                    # on black
        assert red[0] > red[1] and green[1] > green[0] and blue[2] > blue[0]


def test_the_legend_is_of_colormaps_only():
    assert legend.bars_of(shown(View())) == ()
    assert legend.bars_of(shown(View("rms", colormap="magma"))) == (legend.Bar("magma", (-1.0, 1.0)),)
    one, other = (replace(shown(View("rms")), limits=limits) for limits in ((0.0, 1.0), (0.0, 2.0)))
    assert legend.bars_of_both(one, one) == legend.bars_of(one)
    assert legend.bars_of_both(one, other) == (legend.Bar("viridis", (0.0, 1.0), "A"),
                                               legend.Bar("viridis", (0.0, 2.0), "B"))
    assert legend.bars_of_both(shown(View()), other) == (legend.Bar("viridis", (0.0, 2.0), "B"),)
    assert legend.ticks((-1.0, 3.0)) == ((-1.0, 0.0), (0.0, 0.25), (3.0, 1.0))
    assert legend.ticks((2.0, 4.0))[1] == (3.0, 0.5) and len(legend.ticks((1.0, 1.0))) == 2


def test_sources_by_name():
    assert [cells.source_name(s) for s in (*sources(4), Source(w=Array.of(np.zeros((2, 2)))))] == ["seed 4", "saved w"]
