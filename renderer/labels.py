"""Names in the margins of a picture of many, set in Pillow's own typeface. No torch."""
from __future__ import annotations

import unicodedata

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from renderer.colormaps import BACKDROP

INK = (222, 222, 222)
SMALLEST_TYPE = 11                       # pixels
TYPE_SHARE = 12                          # cells are so many times as large as their labels' type
MOST_LINES = 3                           # of a label above a column
MOST_CHARACTERS = 200                    # of a name


class Labels:
    """The names of a lattice's columns and rows beside cells of one size.

    cell: height, width in pixels. `top`, `left`: the room they take, in pixels; 0 where there are no names, and where
    a cell is lower or narrower than a line of the smallest type (`fits` is then False).
    """

    def __init__(self, across: tuple[str, ...], down: tuple[str, ...], cell: tuple[int, int]):
        self._cell, size = cell, max(SMALLEST_TYPE, min(cell) // TYPE_SHARE)
        self._font = ImageFont.load_default(size)
        self._space = "  " if size < 16 else " "                 # the typeface's own is 2 pixels wide in small sizes
        self._line, self._gap = sum(self._font.getmetrics()), (size + 1) // 2
        self._aside = max(8 * size, cell[1])                     # how wide a label beside the pictures may be
        self.fits = min(cell) >= self._line
        across, down = (tuple(map(_drawable, names)) if self.fits else () for names in (across, down))
        self._down = [self._wrapped(name, self._aside, cell[0] // self._line) for name in down]
        self.left = self._margin(self._widest(self._down))
        self._set_across(across, cell[1])

    def _set_across(self, names: tuple[str, ...], width: int) -> None:
        words, within = [word for name in names for word in name.split()], width - self._gap
        self._upright = width >= self._aside or all(self._length(word) <= within for word in words)
        if self._upright:
            self._across = [self._wrapped(name, within, MOST_LINES) for name in names]
            self.top = self._margin(self._line * max(map(len, self._across), default=0))
        else:                                                    # too long for the columns: they run upwards
            self._across = [self._wrapped(name, self._aside, width // self._line) for name in names]
            self.top = self._margin(self._widest(self._across))

    def draw(self, picture: np.ndarray) -> None:
        """Into the margins of `picture` uint8 [top + rows * height, left + columns * width, 3]."""
        height, width = self._cell
        for i, lines in enumerate(self._down):
            y = self.top + i * height
            picture[y:y + height, :self.left] = self._set(lines, height, self.left, "r", "m")
        for i, lines in enumerate(self._across):
            x = self.left + i * width
            picture[:self.top, x:x + width] = (
                self._set(lines, self.top, width, "m", "d") if self._upright
                else np.rot90(self._set(lines, width, self.top, "l", "m")))

    def _margin(self, size: float) -> int:
        return round(size) + 2 * self._gap if size else 0

    def _widest(self, labels: list[list[str]]) -> float:
        return max((self._length(line) for lines in labels for line in lines), default=0)

    def _length(self, text: str) -> float:
        return self._font.getlength(text)

    def _wrapped(self, name: str, width: float, most: int) -> list[str]:
        """The name in at most so many lines, what is too long shortened."""
        words, lines = name.split(), []
        while words:
            line = words.pop(0)
            while words and (len(lines) + 1 == most or self._length(line + self._space + words[0]) <= width):
                line += self._space + words.pop(0)
            lines.append(self._shortened(line, width))
        return lines

    def _shortened(self, text: str, width: float) -> str:
        if self._length(text) <= width:
            return text
        while text and self._length(text + "…") > width:
            text = text[:-1]
        return text.rstrip() + "…"

    def _set(self, lines: list[str], height: int, width: int, across: str, down: str) -> np.ndarray:
        """Lines of type at the left, middle or right (l, m, r) and the middle or foot (m, d) of a box."""
        box = Image.new("RGB", (width, height), BACKDROP)
        pen, block = ImageDraw.Draw(box), self._line * len(lines)
        y = (height - block) // 2 if down == "m" else height - block - self._gap
        x = {"l": self._gap, "m": width / 2, "r": width - self._gap}[across]
        for i, line in enumerate(lines):
            pen.text((x, y + i * self._line), line, INK, self._font, anchor=across + "a")
        return np.asarray(box)


def _drawable(name: str) -> str:
    """Accents are left off, as the typeface has none; of other characters it lacks it draws a box."""
    plain = unicodedata.normalize("NFKD", name[:MOST_CHARACTERS])
    return "".join(c if c.isprintable() else " " for c in plain if not unicodedata.combining(c))
