"""The waterfall: a row of colours for each tap, its level over frequency, under one another in the network's order."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import plots, report, theme, widgets
from gui.plots import Derived
from gui.texture import Canvas
from renderer.colormaps import BAD, colours
from renderer.types import TapSummary

NAME_SHARE = 0.45                        # of the width that names may take at most


@dataclass(frozen=True)
class Axis:
    """Frequencies from left to right."""
    highest: float                       # cycles per image
    logarithmic: bool

    @property
    def lowest(self) -> float:
        return 1.0 if self.logarithmic else 0.0

    def at(self, share: float | np.ndarray) -> float | np.ndarray:
        """The frequency at a share of the width, 0..1."""
        return self.highest ** share if self.logarithmic else self.highest * share

    def share(self, frequency: float) -> float:
        if not self.logarithmic:
            return frequency / self.highest
        return float(np.log(max(frequency, 1.0)) / np.log(self.highest))

    def ticks(self) -> list[float]:
        """1, 4, 16, .. or quarters of the width."""
        if not self.logarithmic:
            return [self.highest * quarter / 4 for quarter in range(5)]
        return [4.0 ** power for power in range(8) if 4 ** power <= self.highest]


class Waterfall:
    def __init__(self):
        self._canvas = Canvas()
        self._picture = Derived(waterfall_picture)

    def __call__(self, taps: Sequence[TapSummary], axis: Axis, colormap: str, range_db: float, chosen: str,
                 pointed: float | None) -> tuple[TapSummary | None, float | None, bool]:
        """Draws it into what is left of the panel: the tap and the frequency under the cursor, and whether clicked.

        `chosen`: the tap looked at; `pointed`: a frequency that another panel points at.
        """
        room = imgui.get_content_region_avail()
        foot = imgui.get_text_line_height() + theme.em(0.35)
        if room.y < 3 * foot or room.x < theme.em(8):
            return None, None, False
        names = min(max(imgui.calc_text_size(tap.name).x for tap in taps) + theme.em(0.8), NAME_SHARE * room.x)
        with imgui_ctx.begin_child("rows", ImVec2(0, room.y - foot)):
            corner, inner = imgui.get_cursor_screen_pos(), imgui.get_content_region_avail()
            height = max(imgui.get_text_line_height(), inner.y // len(taps))
            left, right = corner.x + names, corner.x + inner.x
            found = _rows(taps, height, names, chosen)
            self._draw(taps, axis, colormap, range_db, (left, corner.y, right, corner.y + height * len(taps)))
            mouse = imgui.get_mouse_pos().x
            over = found[0] is not None and left <= mouse < right
            frequency = float(axis.at((mouse - left) / (right - left))) if over else None
            seen = frequency if frequency is not None else pointed
            if seen is not None and axis.lowest <= seen <= axis.highest:
                x = left + axis.share(seen) * (right - left)
                imgui.get_window_draw_list().add_line(ImVec2(x, corner.y), ImVec2(x, corner.y + height * len(taps)),
                                                      theme.ink("text", 0.8))
        _ticks(axis, left, right)
        return found[0], frequency, found[1]

    def _draw(self, taps, axis: Axis, colormap: str, range_db: float, rectangle) -> None:
        draw = imgui.get_window_draw_list()
        low, high = draw.get_clip_rect_min(), draw.get_clip_rect_max()
        x0, y0, x1, y1 = rectangle
        place = tuple(map(round, (x0, max(y0, low.y), x1, min(y1, high.y))))
        columns = max(int(x1 - x0) // 2, 16)             # fewer than pixels: magnified, so rows keep sharp edges
        picture = self._picture(taps, axis.highest, axis.logarithmic, columns, colormap, range_db,
                                theme.ink("backdrop"))
        if place[3] > place[1]:
            self._canvas.draw(draw, picture, place, rectangle)
        report.mark_rectangle("Waterfall", *rectangle)

    def close(self) -> None:
        self._canvas.close()


def waterfall_picture(taps: Sequence[TapSummary], highest: float, logarithmic: bool, columns: int, colormap: str,
                      range_db: float, empty: int = 0xFF000000) -> np.ndarray:
    """uint8 [taps, columns, 3]: ± range_db spans the colormap; beyond a tap's Nyquist frequency `empty`, 0xAABBGGRR."""
    frequencies = Axis(highest, logarithmic).at((np.arange(columns) + 0.5) / columns)
    picture = np.empty((len(taps), columns, 3), np.uint8)
    picture[:] = [empty & 255, empty >> 8 & 255, empty >> 16 & 255]
    for row, tap in zip(picture, taps):
        known = frequencies <= (tap.frequencies[-1] + 0.5 if len(tap.frequencies) else -1)
        levels = np.interp(frequencies[known], tap.frequencies, tap.radial) if known.any() else np.empty(0)
        bad = np.isnan(levels)
        index = np.clip(np.rint(127.5 + 127.5 * np.nan_to_num(levels) / range_db), 0, 255).astype(np.uint8)
        row[known] = np.where(bad[:, None], BAD, colours(colormap)[index])
    return picture


def _rows(taps: Sequence[TapSummary], height: float, names: float, chosen: str) -> tuple[TapSummary | None, bool]:
    """A line for each tap, its name on the left; the one under the cursor, and whether it was clicked."""
    found, clicked = None, False
    spacing = ImVec2(imgui.get_style().item_spacing.x, 0)
    with imgui_ctx.push_style_var(imgui.StyleVar_.item_spacing, spacing):
        for tap in taps:
            pressed = imgui.invisible_button(tap.name, ImVec2(max(imgui.get_content_region_avail().x, 1), height))
            report.mark(tap.name)
            if imgui.is_item_hovered():
                found, clicked = tap, pressed
            if not imgui.is_item_visible():
                continue
            low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
            draw = imgui.get_window_draw_list()
            if tap.name == chosen or found is tap:
                end = ImVec2(low.x + names - theme.em(0.3), high.y)
                draw.add_rect_filled(low, end, theme.ink("accent_low" if tap.name == chosen else "frame_hovered"))
            words = widgets.shorten(tap.name, names - theme.em(0.7))
            at = ImVec2(low.x + theme.em(0.2), (low.y + high.y - imgui.get_text_line_height()) / 2)
            draw.add_text(at, theme.ink("text" if tap.current else "faint"), words)
    return found, clicked


def _ticks(axis: Axis, left: float, right: float) -> None:
    """Numbers under the rows, as far as they don't touch."""
    top = imgui.get_cursor_screen_pos().y
    imgui.dummy(ImVec2(right - left, imgui.get_text_line_height()))
    widgets.hint(f"Frequency, {plots.FREQUENCY}")
    draw, free = imgui.get_window_draw_list(), -1e9
    for frequency in axis.ticks():
        x, words = left + axis.share(frequency) * (right - left), f"{frequency:.4g}"
        width = imgui.calc_text_size(words).x
        start = min(max(x - width / 2, left), right - width)
        if start > free:
            draw.add_line(ImVec2(x, top - theme.em(0.25)), ImVec2(x, top), theme.ink("dim"))
            draw.add_text(ImVec2(start, top), theme.ink("dim"), words)
            free = start + width + theme.em(0.4)
