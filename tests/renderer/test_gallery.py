"""Mixing tables and grids of seeds through the pipeline: each cell is the same pixel as its picture alone."""
from dataclasses import replace

import numpy as np
import pytest
from tiny_networks import TINY, good, tiny

from renderer.colormaps import BACKDROP
from renderer.gallery import Gallery
from renderer.pipeline import Pipeline
from renderer.steps import Abandoned
from renderer.types import Array, Latent, Mix, MixTable, SeedGrid, Source, Spectrum, Synth, View, sources


def cells_of(result) -> list[np.ndarray]:
    cells = result.cells
    (height, width), (top, left) = cells.size, cells.origin
    corners = [(top + i // cells.columns * height, left + i % cells.columns * width) for i in range(len(cells.shown))]
    return [result.picture[y:y + height, x:x + width] for y, x in corners]


def saved(name: str, seed=0) -> Array:
    network = tiny(name)
    return Array.of(np.random.RandomState(seed).randn(network.num_ws, network.w_dim).astype(np.float32))


SEEDS = (5, 3, 2 ** 33 + 1, -4, 5)
PARTS = {
    "plain": {},
    "latent": {"latent": Latent(x=77, y=3, psi=0.6, cutoff=2), "mix": Mix(Source(9), (0, 1))},
    "noise": {"synth": Synth("random", 4)},
    "tap": {"tap": "b16.conv0.act", "view": View("sheet", range="each", order="energy")},
    "ranges": {"tap": "b8.conv1.act", "view": View("pca", range="minmax", gain_db=3.0)},
    "symmetric": {"view": View(range="symmetric")},
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("labels", [True, False])
def test_seeds_are_the_pixels_of_each_alone(asked, parts, labels):
    request = asked("sg2-skip", seeds=SeedGrid(SEEDS, columns=2, labels=labels), **parts)
    result, pipeline = good(Pipeline().render(request)), Pipeline()
    assert result.cells.shown == SEEDS and result.cells.columns == 2
    for seed, cell in zip(SEEDS, cells_of(result), strict=True):
        alone = replace(request, seeds=None, latent=replace(request.latent, x=float(seed), y=0.0))
        np.testing.assert_array_equal(cell, pipeline.picture(alone))
    assert (result.picture[-result.cells.size[0]:, -result.cells.size[1]:] == BACKDROP).all()    # five of six
    assert result.values is result.stats is result.ws is None and not result.picture.flags.writeable


@pytest.mark.parametrize("name", TINY)
def test_seeds_of_any_network(asked, name):
    request = asked(name, seeds=SeedGrid((1, 2)))
    for seed, cell in zip((1, 2), cells_of(good(Pipeline().render(request)))):
        alone = replace(request, seeds=None, latent=replace(request.latent, x=float(seed)))
        np.testing.assert_array_equal(cell, Pipeline().picture(alone))


@pytest.mark.parametrize("parts", [{}, {"tap": "b16.conv0.act", "view": View("rms", range="minmax")}],
                         ids=["plain", "tap"])
def test_a_table_of_seeds_and_saved_w(asked, parts):
    anna = Source(w=saved("sg2-skip"), name="Anna")
    table = MixTable((Source(1), anna), (anna, Source(4)), (0, 1, 2))
    request = asked("sg2-skip", latent=Latent(psi=0.7), table=table, **parts)
    result, pipeline = good(Pipeline().render(request)), Pipeline()
    cells = cells_of(result)
    assert min(result.cells.origin) > 0 and len(cells) == 9 and (cells[0] == BACKDROP).all()

    def alone(source: Source, mix: Mix = Mix()) -> np.ndarray:
        latent = replace(request.latent, w=source.w) if source.w else replace(request.latent, x=float(source.seed))
        return pipeline.picture(replace(request, table=None, latent=latent, mix=mix))
    for i, a in enumerate(table.across, start=1):
        np.testing.assert_array_equal(cells[i], alone(a))
        for j, b in enumerate(table.down, start=1):
            np.testing.assert_array_equal(cells[3 * j], alone(b))
            np.testing.assert_array_equal(cells[3 * j + i], alone(b, Mix(a, table.rows)))


def test_every_tap_fits_its_cell(asked):
    """The cells' size is known before the first picture: it must be the pictures'."""
    for name in ("sg1-lod", "sg2-oblong", "sg3-r"):
        pipeline = Pipeline()
        for tap in good(pipeline.render(asked(name))).info.taps:
            for mode in ("rgb", "sheet"):
                request = asked(name, tap=tap.name, view=View(mode), seeds=SeedGrid((1,), labels=False))
                assert good(pipeline.render(request)).picture.shape[:2] == pipeline.picture(
                    replace(request, seeds=None)).shape[:2], tap.name


def test_only_the_finished_picture_is_remembered(asked, ran):
    pipeline, request = Pipeline(), asked("sg2-skip", seeds=SeedGrid((1, 2, 3)))
    first = good(pipeline.render(request))
    ran.clear()
    again = good(pipeline.render(replace(request, latent=replace(request.latent, x=50.0))))     # has no part in it
    assert again.picture is first.picture and ran == [] and [t.name for t in again.times] == ["load", "seeds"]
    changes = [{"seeds": SeedGrid((1, 2))}, {"mix": Mix(Source(5), (0,))}, {"view": View(gain_db=3.0)},
               {"synth": Synth("none")}, {"latent": replace(request.latent, psi=0.5)}, {"tap": "b8.conv0.act"}]
    for change in changes:
        ran.clear()
        assert good(pipeline.render(replace(request, **change))).picture is not first.picture and ran, change


def test_progress_and_abandonment(asked):
    pipeline, told = Pipeline(), []
    request = asked("sg2-skip", seeds=SeedGrid((1, 2, 3)))
    good(pipeline.render(request, progress=lambda *what: told.append(what)))
    texts = [text for text, _ in told if text.startswith("Grid of seeds")]
    assert texts[0] == "Grid of seeds: picture 1 of 3" and texts[-1] == "Grid of seeds: picture 3 of 3"
    fractions = [fraction for text, fraction in told if text.startswith("Grid")]
    assert fractions == sorted(fractions) and 2 / 3 < fractions[-1] < 1
    asked_times = []

    def abandoned() -> bool:
        asked_times.append(1)
        return len(asked_times) > 12
    with pytest.raises(Abandoned):
        pipeline.render(replace(request, seeds=SeedGrid((4, 5, 6))), abandoned)
    assert len(good(pipeline.render(replace(request, seeds=SeedGrid((4, 5, 6))))).cells.shown) == 3


def test_a_table_and_a_grid_at_once_is_a_table_with_a_note(asked):
    both = asked("sg2-skip", seeds=SeedGrid((1,)), table=MixTable(sources(1), sources(2), (0,)))
    result = good(Pipeline().render(both))
    assert result.cells.shown == (None,) * 4 and "grid of seeds" in result.notes[0]


@pytest.mark.parametrize("parts, words", [
    ({"seeds": SeedGrid(())}, "no seeds"),
    ({"seeds": SeedGrid((1,), columns=-1)}, "-1 columns"),
    ({"seeds": SeedGrid(tuple(range(400_000)))}, "megapixels"),
    ({"table": MixTable((Source(w=Array.of(np.zeros((2, 3))), name="Anna"),), sources(1), (0,))}, "'Anna' has shape"),
    ({"table": MixTable((), (), (0,))}, "no sources")])
def test_errors_are_one_line(asked, parts, words):
    result = Pipeline().render(asked("sg2-skip", **parts))
    assert words in result.error and "\n" not in result.error and result.details is None and result.picture is None
    assert result.info is not None


def test_out_of_memory_on_the_way_starts_again(asked, monkeypatch):
    original, left = Gallery._pictures, [1]

    def failing(self, *args):
        for i, picture in enumerate(original(self, *args)):
            if i == 2 and left:
                left.pop()
                raise MemoryError
            yield picture
    monkeypatch.setattr(Gallery, "_pictures", failing)
    request = asked("sg2-skip", seeds=SeedGrid((1, 2, 3, 4)))
    result = good(Pipeline().render(request))
    assert not left
    np.testing.assert_array_equal(result.picture, good(Pipeline().render(request)).picture)


def test_small_pictures_note_their_missing_labels_once(asked):
    pipeline, request = Pipeline(), asked("sg2-skip", tap="b8.conv0.act", seeds=SeedGrid((1, 2)))
    for _ in range(2):
        notes = good(pipeline.render(request)).notes
        assert len(notes) == 1 and "8 x 8" in notes[0]
    assert pipeline.picture(request).shape == (8, 16, 3)                 # a remark, no refusal
    assert good(pipeline.render(replace(request, spectrum=Spectrum()))).spectrum is None
