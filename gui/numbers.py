"""The values inside large pixels, in colours that can be read on any other."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
from imgui_bundle import ImVec2, imgui

from gui import report, theme
from gui.placement import Rectangle, on_screen, pixels_in
from gui.values import compact

ROOM_EMS = {1: 2.4, 3: 2.9}              # the least width of a pixel that holds one value, or three lines of them
CONTRAST = 4.5                           # of text at least (WCAG 2.1, success criterion 1.4.3)
TINTS = np.array([[[255, 130, 130], [130, 240, 130], [150, 175, 255]],      # red, green and blue on dark
                  [[120, 0, 0], [0, 70, 0], [0, 0, 130]]], float)            # and on light
PLAIN = np.array([[255.0] * 3, [0.0] * 3])
Behind = Callable[[np.ndarray, np.ndarray], np.ndarray]      # (y, x) -> values [N, *y.shape], colours uint8 [3, ..]


class Numbers:
    """Written for the pixels in sight, and kept until others are."""

    def __init__(self):
        self._of: tuple | None = None
        self._written: list[tuple[int, int, int, str, float, int]] = []      # x, y, line, words, width in ems, ink
        self._lines = 1

    def draw(self, draw: imgui.ImDrawList, picture: np.ndarray, behind: Behind, room: Rectangle,
             rectangle: Rectangle) -> None:
        """Nothing unless the pixels of `picture` [H, W, 3], shown over `rectangle`, are large enough."""
        size = picture.shape[:2]
        side = (rectangle[2] - rectangle[0]) / size[1]
        if side < theme.em(min(ROOM_EMS.values())):
            return
        seen = pixels_in(room, rectangle, size)
        if self._of is None or self._of[0] is not picture or self._of[1] != seen:
            self._write(picture, behind, seen)
            self._of = picture, seen
        if self._written and side >= theme.em(ROOM_EMS.get(self._lines, ROOM_EMS[3])):
            self._put(draw, rectangle, size, side)
            report.mark_rectangle("Numbers", *on_screen(seen, rectangle, size))

    def _write(self, picture: np.ndarray, behind: Behind, seen: tuple[int, int, int, int]) -> None:
        x0, y0, x1, y1 = seen
        y, x = np.mgrid[y0:y1, x0:x1]
        values = behind(y, x)
        hidden = np.broadcast_to(np.ma.getmaskarray(values), values.shape)
        inks = inks_on(picture[y0:y1, x0:x1], len(values))
        self._lines, self._written = len(values), []
        for line, j, i in np.argwhere(~hidden).tolist():
            words = compact(float(values[line, j, i]))
            width = imgui.calc_text_size(words).x / imgui.get_font_size()
            self._written.append((x0 + i, y0 + j, line, words, width, int(inks[j, i, line])))

    def _put(self, draw: imgui.ImDrawList, rectangle: Rectangle, size: tuple[int, int], side: float) -> None:
        font, lines = imgui.get_font(), self._lines
        largest = min(theme.em(1.1), side * 0.9 / (lines * 1.05))
        for x, y, line, words, width, ink in self._written:
            left, top, right, bottom = on_screen((x, y, x + 1, y + 1), rectangle, size)
            height = min(largest, side * 0.9 / width)
            middle = (top + bottom) / 2 + (line - (lines - 1) / 2) * largest * 1.05
            at = ImVec2(round((left + right - width * height) / 2), round(middle - height / 2))
            draw.add_text(font, height, at, ink, words)


def inks_on(colours: np.ndarray, count: int) -> np.ndarray:
    """Colours for `count` numbers on each of `colours`, uint8 [..., 3]: uint32 [..., count] for draw lists.

    Light on dark and dark on light; three are tinted red, green and blue as far as that leaves them legible.
    """
    ground = luminance(colours.astype(float))[..., None]                     # [..., 1]
    light = ((1.05 / (ground + 0.05)) < (ground + 0.05) / 0.05).astype(int)   # 1: black is read better than white
    best = np.broadcast_to(PLAIN[light], (*colours.shape[:-1], count, 3)).copy()
    for amount in (0.25, 0.5, 0.75, 1.0) if count == 3 else ():
        tinted = np.round(PLAIN[light] + amount * (TINTS[light[..., 0]] - PLAIN[light]))
        legible = contrast(luminance(tinted), ground) >= CONTRAST
        best[legible] = tinted[legible]
    red, green, blue = (best[..., i].astype(np.uint32) for i in range(3))
    return 0xFF000000 | blue << 16 | green << 8 | red


def luminance(colours: np.ndarray) -> np.ndarray:
    """Relative luminance 0..1 of sRGB colours 0..255, [..., 3] (WCAG 2.1)."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def contrast(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """1 to 21, of two luminances (WCAG 2.1)."""
    return (np.maximum(one, other) + 0.05) / (np.minimum(one, other) + 0.05)
