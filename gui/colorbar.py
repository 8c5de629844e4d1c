"""The colours of a colormap as a bar, and the list to choose one from."""
from __future__ import annotations

from functools import lru_cache

from imgui_bundle import ImVec2, imgui

from gui import report, theme, widgets
from renderer.colormaps import colours
from renderer.types import COLORMAPS

STEPS = 16                               # pieces of a bar; in between, the graphics card blends
_TIP = "What values look like, from the least to the largest; viridis and magma keep equal steps equal to the eye"


def gradient(draw: imgui.ImDrawList, low: ImVec2, high: ImVec2, name: str, upward: bool = False) -> None:
    """Fills a rectangle with the colours of a map, least to largest from the left, or from below."""
    inks = _inks(name)
    for step, (first, second) in enumerate(zip(inks, inks[1:])):
        start, end = step / STEPS, (step + 1) / STEPS
        if upward:
            y0, y1 = high.y + (low.y - high.y) * end, high.y + (low.y - high.y) * start
            draw.add_rect_filled_multi_color(ImVec2(low.x, y0), ImVec2(high.x, y1), second, second, first, first)
        else:
            x0, x1 = low.x + (high.x - low.x) * start, low.x + (high.x - low.x) * end
            draw.add_rect_filled_multi_color(ImVec2(x0, low.y), ImVec2(x1, high.y), first, second, second, first)


@lru_cache
def _inks(name: str) -> list[int]:
    table = colours(name)
    return [0xFF000000 | int(b) << 16 | int(g) << 8 | int(r)
            for r, g, b in (table[round(255 * step / STEPS)] for step in range(STEPS + 1))]


def menu(name: str, value: str, default: str) -> str:
    """A labelled list of all colormaps, each with its colours."""
    with widgets.row(name, _TIP, value != default) as line:
        low, width = imgui.get_cursor_screen_pos(), imgui.calc_item_width()
        draw, height = imgui.get_window_draw_list(), imgui.get_frame_height()
        chosen = value
        with widgets.combo(name, value) as opened:
            for option in COLORMAPS if opened else ():
                if imgui.selectable(option, option == value)[0]:
                    chosen = option
                report.mark(f"{name}/{option}")
                corner, end = imgui.get_item_rect_min(), imgui.get_item_rect_max()
                _swatch(imgui.get_window_draw_list(), corner, end.y - corner.y, end.x - corner.x, option)
        _swatch(draw, low, height, width - height, value)
    return default if line.reset else chosen


def _swatch(draw: imgui.ImDrawList, corner: ImVec2, height: float, width: float, name: str) -> None:
    """The colours in the right part of a line, behind the name."""
    inset = round(0.25 * height)
    low = ImVec2(corner.x + min(theme.em(5), width / 2), corner.y + inset)
    gradient(draw, low, ImVec2(corner.x + width - theme.em(0.3), corner.y + height - inset), name)
