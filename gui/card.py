"""The card at the cursor: all channels at one pixel, as bars and in numbers, so that one sees which carries a blob."""
from __future__ import annotations

import numpy as np
from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import report, theme, widgets
from gui.values import figures, summary
from gui.words import percent

WIDTH_EMS, HEIGHT_EMS = 17.0, 5.0


def draw_card(values: np.ndarray, title: str) -> None:
    """A tooltip; `values`: all channels at one pixel, float32 [C]."""
    with imgui_ctx.begin_tooltip():
        widgets.text(f"{title}   {len(values)} channels" if len(values) > 1 else title, "dim")
        _bars(values)
        found = summary(values)
        widgets.text(f"{figures(found.least)}  …  {figures(found.most)}     mean {figures(found.mean)}")
        if found.nonfinite:
            widgets.text(f"{found.nonfinite} infinite or not a number", "error")
        _strongest(found.strongest)
        low, size = imgui.get_window_pos(), imgui.get_window_size()
        report.mark_rectangle("Card", low.x, low.y, low.x + size.x, low.y + size.y)


def _strongest(strongest: tuple[tuple[int, float, float], ...]) -> None:
    with imgui_ctx.begin_table("strongest", 3, imgui.TableFlags_.sizing_fixed_fit) as table:
        if not table:
            return
        for index, (channel, value, share) in enumerate(strongest):
            imgui.table_next_row()
            for words in (f"channel {channel}", figures(value), f"{percent(float(f'{share:.2g}'))} of the energy"):
                imgui.table_next_column()
                widgets.text(words, "text" if index == 0 else "dim")


def _bars(values: np.ndarray) -> None:
    """From zero; where channels share a column of pixels, their least and their largest value."""
    size = ImVec2(theme.em(WIDTH_EMS), theme.em(HEIGHT_EMS))
    imgui.dummy(size)
    low, draw = imgui.get_item_rect_min(), imgui.get_window_draw_list()
    draw.add_rect_filled(low, ImVec2(low.x + size.x, low.y + size.y), theme.ink("backdrop"))
    least, most = columns(values, int(size.x))
    bottom, top = min(float(least.min()), 0.0), max(float(most.max()), 0.0)
    scale = (size.y - 2) / ((top - bottom) or 1)
    zero, width = low.y + 1 + top * scale, size.x / len(least)
    strong = int(np.argmax(np.maximum(np.abs(least), np.abs(most))))
    for index, (a, b) in enumerate(zip(least.tolist(), most.tolist())):
        left = low.x + index * width
        high, deep = zero - max(b, 0.0) * scale, zero - min(a, 0.0) * scale
        draw.add_rect_filled(ImVec2(left, high), ImVec2(left + max(width - (width > 4), 1), max(deep, high + 1)),
                             theme.ink("accent" if index == strong else "dim"))
    draw.add_line(ImVec2(low.x, zero), ImVec2(low.x + size.x, zero), theme.ink("faint"))


def columns(values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(least, largest) of the channels in each of at most `most` columns; what is not finite counts as zero."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    starts = np.unique(np.linspace(0, len(values), min(len(values), most), endpoint=False).astype(int))
    return np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
