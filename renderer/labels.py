"""Names in the margins of a picture of many. No torch."""
from __future__ import annotations

import unicodedata
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from renderer.colormaps import BACKDROP
from renderer.typefaces import face_for, faces

INK = (222, 222, 222)
SMALLEST_TYPE = 11                       # pixels
TYPE_SHARE = 12                          # cells are so many times as large as their labels' type
MOST_LINES = 3                           # of a label above a column
MOST_CHARACTERS = 200                    # of a name


class Label(NamedTuple):
    """A name in lines, and the typeface that has its characters."""
    lines: list[str]
    face: ImageFont.FreeTypeFont

    @property
    def width(self) -> float:
        return max(map(self.face.getlength, self.lines), default=0)


class Labels:
    """The names of a lattice's columns and rows beside cells of one size.

    cell: height, width in pixels. `top`, `left`: the room they take, in pixels; 0 where there are no names, and where
    a cell is lower or narrower than a line of the smallest type (`fits` is then False).
    """

    def __init__(self, across: tuple[str, ...], down: tuple[str, ...], cell: tuple[int, int]):
        self._cell, self._size = cell, max(SMALLEST_TYPE, min(cell) // TYPE_SHARE)
        self._ascent, descent = next(faces(self._size)).getmetrics()
        self._line, self._gap = self._ascent + descent, (self._size + 1) // 2
        self._aside = max(8 * self._size, cell[1])               # how wide a label beside the pictures may be
        self.fits = min(cell) >= self._line
        across, down = (tuple(map(_drawable, names)) if self.fits else () for names in (across, down))
        self._down = [self._label(name, self._aside, cell[0] // self._line) for name in down]
        self.left = self._margin(max((label.width for label in self._down), default=0))
        self._set_across(across, cell[1])

    def _set_across(self, names: tuple[str, ...], width: int) -> None:
        within = width - self._gap
        self._upright = width >= self._aside or all(
            face_for(name, self._size).getlength(word) <= within for name in names for word in name.split())
        if self._upright:
            self._across = [self._label(name, within, MOST_LINES) for name in names]
            self.top = self._margin(self._line * max((len(label.lines) for label in self._across), default=0))
        else:                                                    # too long for the columns: they run upwards
            self._across = [self._label(name, self._aside, width // self._line) for name in names]
            self.top = self._margin(max((label.width for label in self._across), default=0))

    def draw(self, picture: np.ndarray) -> None:
        """Into the margins of `picture` uint8 [top + rows * height, left + columns * width, 3]."""
        height, width = self._cell
        for i, label in enumerate(self._down):
            y = self.top + i * height
            picture[y:y + height, :self.left] = self._set(label, height, self.left, "r", "m")
        for i, label in enumerate(self._across):
            x = self.left + i * width
            picture[:self.top, x:x + width] = (
                self._set(label, self.top, width, "m", "d") if self._upright
                else np.rot90(self._set(label, width, self.top, "l", "m")))

    def _margin(self, size: float) -> int:
        return round(size) + 2 * self._gap if size else 0

    def _label(self, name: str, width: float, most: int) -> Label:
        """The name in at most so many lines, what is too long shortened."""
        face, words, lines = face_for(name, self._size), name.split(), []
        while words:
            line = words.pop(0)
            while words and (len(lines) + 1 == most or face.getlength(f"{line} {words[0]}") <= width):
                line += f" {words.pop(0)}"
            lines.append(_shortened(line, width, face))
        return Label(lines, face)

    def _set(self, label: Label, height: int, width: int, across: str, down: str) -> np.ndarray:
        """Lines of type at the left, middle or right (l, m, r) and the middle or foot (m, d) of a box."""
        box = Image.new("RGB", (width, height), BACKDROP)
        pen, block = ImageDraw.Draw(box), self._line * len(label.lines)
        y = (height - block) // 2 if down == "m" else height - block - self._gap
        x = {"l": self._gap, "m": width / 2, "r": width - self._gap}[across]
        for i, line in enumerate(label.lines):                   # every typeface on the same baseline
            pen.text((x, y + i * self._line + self._ascent), line, INK, label.face, anchor=across + "s")
        return np.asarray(box)


def _shortened(text: str, width: float, face: ImageFont.FreeTypeFont) -> str:
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _drawable(name: str) -> str:
    """Accents in one character with their letter, where there is one; spaces for what has no sign."""
    return "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", name[:MOST_CHARACTERS]))
