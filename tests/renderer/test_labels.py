"""Names in margins: legible, never in the pictures, never a crash."""
import numpy as np
import pytest

from renderer.colormaps import BACKDROP
from renderer.labels import INK, SMALLEST_TYPE, Labels

NAMES = ("", "seed 12", "Anna's portrait, smiling", "a_very_long_file_name_without_a_space_2024.npz")


def margins_of(labels: Labels, rows: int, columns: int, cell: tuple[int, int]) -> np.ndarray:
    """A picture whose cells are blue before the labels are drawn; they must stay so."""
    picture = np.full((labels.top + rows * cell[0], labels.left + columns * cell[1], 3), (0, 0, 255), np.uint8)
    picture[:labels.top] = picture[:, :labels.left] = BACKDROP
    labels.draw(picture)
    assert (picture[labels.top:, labels.left:] == (0, 0, 255)).all()
    return picture


def has_type(part: np.ndarray) -> bool:
    return (part >= np.array(INK) - 60).all(axis=2).any()


@pytest.mark.parametrize("cell", [(16, 16), (24, 24), (32, 32), (64, 64), (128, 128), (256, 256), (148, 300),
                                  (300, 100)])
def test_each_name_stands_before_its_row_or_column(cell):
    labels = Labels(NAMES, NAMES[::-1], cell)
    picture = margins_of(labels, 4, 4, cell)
    assert labels.fits and labels.top >= SMALLEST_TYPE and labels.left >= SMALLEST_TYPE
    for i in range(4):
        above = picture[:labels.top, labels.left + i * cell[1]:][:, :cell[1]]
        before = picture[labels.top + i * cell[0]:, :labels.left][:cell[0]]
        assert has_type(above) == bool(NAMES[i]) and has_type(before) == bool(NAMES[::-1][i])
        edge = np.concatenate([above[0], before[:, 0]])                  # nothing is cut off
        assert (edge == BACKDROP).all()
    assert not has_type(picture[:labels.top, :labels.left])


def test_margins_grow_with_the_cells_and_with_the_names():
    tops, lefts = zip(*[(labels.top, labels.left) for labels in (Labels(("a",), ("a",), (size, size))
                                                                 for size in (64, 256, 1024))])
    assert tops[0] < tops[1] < tops[2] and lefts[0] < lefts[1] < lefts[2]
    assert Labels((), ("seed 1",), (64, 64)).left < Labels((), ("a longer name",), (64, 64)).left
    assert Labels((), NAMES, (64, 64)).left <= 64 + 64                   # however long


def test_no_names_take_no_room():
    labels = Labels((), (), (64, 64))
    assert (labels.top, labels.left) == (0, 0)
    labels = Labels(("", ""), (" ", "\n"), (64, 64))
    assert (labels.top, labels.left) == (0, 0)
    margins_of(labels, 2, 2, (64, 64))


@pytest.mark.parametrize("cell", [(1, 1), (4, 4), (8, 200), (200, 8)])
def test_cells_too_small_for_type_have_none(cell):
    labels = Labels(NAMES, NAMES, cell)
    assert not labels.fits and (labels.top, labels.left) == (0, 0)
    margins_of(labels, 4, 4, cell)


@pytest.mark.parametrize("name", ["日本語のなまえ", "ünïcödé", "עברית", "a\nb\tc", "\x00\x07", "\ud800", "🙂" * 300,
                                  "é" * 1000, "x" * 100_000, "e\u0301\u0302"])
@pytest.mark.parametrize("cell", [(16, 16), (64, 64)])
def test_any_characters(name, cell):
    labels = Labels((name,), (name,), cell)
    picture = margins_of(labels, 1, 1, cell)
    assert picture.shape[0] < 300 and picture.shape[1] < 300


def test_accents_are_left_off():
    """The typeface has no letters with accents."""
    plain, accented = (margins_of(Labels((), (name,), (32, 32)), 1, 1, (32, 32)) for name in ("Jose", "José"))
    np.testing.assert_array_equal(plain, accented)


def test_what_is_too_long_is_shortened():
    labels = Labels((), ("x" * 500, "word " * 500), (64, 64))
    assert [line[-1] for line in (labels._down[0][0], labels._down[1][-1])] == ["…", "…"]
    assert all(labels._length(line) <= 8 * SMALLEST_TYPE for lines in labels._down for line in lines)
