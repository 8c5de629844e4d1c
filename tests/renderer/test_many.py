"""How tables and grids are laid out and put together."""
import numpy as np
import pytest

from nets.errors import UserError
from renderer import many
from renderer.colormaps import BACKDROP
from renderer.many import compose, seeds_plan, source_name, table_plan
from renderer.types import Array, MixTable, SeedGrid, Source, sources

SAVED = Source(w=Array.of(np.zeros((4, 8))), name="Anna")


def pictures(count: int, size=(20, 30)) -> list[np.ndarray]:
    rng = np.random.RandomState(0)
    return [rng.randint(0, 256, (*size, 3), np.uint8) for _ in range(count)]


def cell_of(made: dict, index: int) -> np.ndarray:
    cells = made["cells"]
    (height, width), (top, left) = cells.size, cells.origin
    y, x = top + index // cells.columns * height, left + index % cells.columns * width
    return made["picture"][y:y + height, x:x + width]


def test_names():
    assert [source_name(s) for s in (Source(12), SAVED, Source(w=SAVED.w), Source(3, name="x"))] == [
        "seed 12", "Anna", "saved w", "x"]
    assert [many.seeds_name(s) for s in ((5,), (8, 9, 10), (5, 6), (9, 8, 7), (1, -2, 40))] == [
        "seed 5", "seeds 8 to 10", "seeds 5, 6", "seeds 9, 8, 7", "seeds 1, -2, 40"]


def test_table_plan():
    plan = table_plan(MixTable((*sources(1, 2), SAVED), sources(4), (0,)))
    assert (plan.columns, plan.rows, plan.count, plan.shown) == (4, 2, 7, (None,) * 8)
    assert plan.across == ("", "seed 1", "seed 2", "Anna") and plan.down == ("", "seed 4")
    assert table_plan(MixTable(sources(1), (), (0,), labels=False))[-2:] == ((), ())
    assert table_plan(MixTable((), sources(1, 2), (0,)))[1:3] == (1, 2)
    with pytest.raises(UserError, match="no sources"):
        table_plan(MixTable((), (), (0,)))


@pytest.mark.parametrize("count, columns, expected", [(1, 0, (1, 1)), (5, 0, (3, 2)), (9, 0, (3, 3)), (5, 2, (2, 3)),
                                                      (5, 5, (5, 1)), (3, 50, (3, 1))])
def test_seeds_plan(count, columns, expected):
    plan = seeds_plan(SeedGrid(tuple(range(count)), columns))
    assert (plan.columns, plan.rows) == expected and plan.shown == tuple(range(count)) and plan.count == count
    assert len(plan.down) == plan.rows and plan.across == ()


def test_seeds_that_make_no_grid():
    with pytest.raises(UserError, match="no seeds"):
        seeds_plan(SeedGrid(()))
    with pytest.raises(UserError, match="-2 columns"):
        seeds_plan(SeedGrid((1,), -2))


@pytest.mark.parametrize("labels", [True, False])
def test_a_table_put_together(labels):
    plan, parts = table_plan(MixTable(sources(1, 2), sources(4, 5), (0,), labels)), pictures(8)
    made = compose(plan, (20, 30), iter([None, *parts]))
    cells = made["cells"]
    assert (cells.columns, cells.size, cells.shown) == (3, (20, 30), (None,) * 9) and made["notes"] == ()
    assert made["picture"].shape == (cells.origin[0] + 60, cells.origin[1] + 90, 3)
    assert (min(cells.origin) > 0) == labels and not made["picture"].flags.writeable
    for i, part in enumerate(parts, start=1):
        np.testing.assert_array_equal(cell_of(made, i), part)
    assert (cell_of(made, 0) == BACKDROP).all()


def test_a_grid_put_together():
    plan, parts = seeds_plan(SeedGrid((7, 3, 9, 8, 1))), pictures(5)
    made = compose(plan, (20, 30), parts)
    assert made["cells"].shown == (7, 3, 9, 8, 1) and made["cells"].origin[0] == 0 and made["cells"].origin[1] > 0
    for i, part in enumerate(parts):
        np.testing.assert_array_equal(cell_of(made, i), part)
    assert (cell_of(made, 5) == BACKDROP).all()


def test_pictures_too_small_for_labels_say_so():
    made = compose(seeds_plan(SeedGrid((1, 2))), (4, 4), pictures(2, (4, 4)))
    assert made["cells"].origin == (0, 0) and "4 x 4" in made["notes"][0]
    assert compose(seeds_plan(SeedGrid((1, 2), labels=False)), (4, 4), pictures(2, (4, 4)))["notes"] == ()


def test_too_many_pixels_are_refused_before_any_is_drawn():
    def never():
        raise AssertionError
        yield
    with pytest.raises(UserError, match="^the grid of seeds would have 102400 x 102400 pixels, 10486 megapixels, and "
                                        "at most 400 .*smaller layer") as error:
        compose(seeds_plan(SeedGrid(tuple(range(10_000)))), (1024, 1024), never())
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="^the mixing table would have 41984 x 41984"):
        compose(table_plan(MixTable(sources(*range(40)), sources(*range(40)), (0,))), (1024, 1024), never())
