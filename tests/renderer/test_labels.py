"""Names in margins: legible, never in the pictures, never a crash."""
from pathlib import Path

import numpy as np
import pytest

from renderer import typefaces
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


def test_accents_are_drawn():
    """However they are written."""
    plain, accented, combined = (margins_of(Labels((), (name,), (32, 32)), 1, 1, (32, 32))
                                 for name in ("Jose", "José", "Jose\u0301"))
    np.testing.assert_array_equal(combined, accented)
    if typefaces.bundled("Roboto/Roboto-Regular.ttf").is_file():
        assert plain.shape != accented.shape or (plain != accented).any()


def test_names_without_any_typeface(monkeypatch):
    """Pillow's own has no accents, and is always there."""
    monkeypatch.setattr(typefaces, "bundled", lambda name: Path("nowhere") / name)
    monkeypatch.setattr(typefaces, "fallbacks", list)
    assert typefaces.face_for("é", 12) is next(typefaces.faces(12)) is typefaces.face_for("seed 12", 12)
    margins_of(Labels(NAMES, NAMES[::-1], (64, 64)), 4, 4, (64, 64))


def test_each_script_has_the_first_typeface_that_knows_it():
    """A sign that a typeface lacks is drawn as its box; the one chosen draws no box where any can do without."""
    for text in ("seed 12", "Zoë", "Έλενα", "Анна", "日本語", "עברית", "→"):
        known = [face for face in typefaces.faces(16) if all(typefaces._has(face, c) for c in text)]
        if known:
            assert typefaces.face_for(text, 16) is known[0]
    assert not any(typefaces._has(face, "\U0010fffd") for face in typefaces.faces(16))


def test_what_is_too_long_is_shortened():
    labels = Labels((), ("x" * 500, "word " * 500), (64, 64))
    assert [line[-1] for line in (labels._down[0].lines[0], labels._down[1].lines[-1])] == ["…", "…"]
    assert all(label.width <= 8 * SMALLEST_TYPE for label in labels._down)
