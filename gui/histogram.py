"""The histogram of a tap, and under it the values that are shown, as a bar of their colours with ends to drag."""
from __future__ import annotations

import math
from dataclasses import dataclass, replace

from imgui_bundle import ImVec2, imgui

from gui import report, theme, widgets
from gui.colorbar import gradient
from gui.levels import Limits, Scale
from gui.words import percent, short
from renderer.types import TapStats, View

RANGE_TIP = ("What is shown, from the least colour to the largest. Drag an end, or the bar between them, to set gain "
             "and offset; a double click takes both back.")


@dataclass(frozen=True)
class Held:
    """The bar while it is dragged: everything as it was when the mouse went down."""
    part: str                            # 'low', 'high' or 'both'
    limits: Limits
    axis: Limits


class Histogram:
    def __init__(self):
        self.logarithmic = False
        self._held: Held | None = None

    def __call__(self, stats: TapStats, view: View, scale: Scale | None, colormap: str, why_not: str = "") -> View:
        """Draws it, and gives `view` back with the gain and offset it was dragged to.

        Without `scale` the place of the bar says why there is none.
        """
        limits = scale.limits(view) if scale else None
        axis = self._held.axis if self._held else axis_of(stats, limits)
        self._bars(stats, axis)
        if limits is not None:
            view = self._bar(view, scale, limits, axis, colormap)
        else:
            widgets.text(why_not, "faint")
        _values(stats)
        return view

    # -- counts -------------------------------------------------------------------------------------------------------

    def _bars(self, stats: TapStats, axis: Limits) -> None:
        width = imgui.get_content_region_avail().x
        imgui.invisible_button("histogram", ImVec2(width, theme.em(3.2)))
        report.mark("Histogram")
        low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
        draw = imgui.get_window_draw_list()
        draw.add_rect_filled(low, high, theme.ink("backdrop"), theme.em(0.2))
        at = [low.x + width * share(edge, axis) for edge in _edges(stats)]
        for count, left, right in zip(heights(stats.histogram, self.logarithmic), at, at[1:]):
            if count:
                top = high.y - max((high.y - low.y - theme.em(0.2)) * count, 1)
                draw.add_rect_filled(ImVec2(left, top), ImVec2(max(right - 1, left + 1), high.y), theme.ink("dim"))
        for value, color in ((stats.minimum, "faint"), (stats.maximum, "faint"), (0.0, "accent"), (stats.mean, "text")):
            x = low.x + width * share(value, axis)
            if low.x <= x <= high.x:
                draw.add_line(ImVec2(x, low.y), ImVec2(x, high.y), theme.ink(color))
        _explain(stats, axis[0] + (axis[1] - axis[0]) * (imgui.get_mouse_pos().x - low.x) / width)

    # -- what is shown ------------------------------------------------------------------------------------------------

    def _bar(self, view: View, scale: Scale, limits: Limits, axis: Limits, colormap: str) -> View:
        width, height = imgui.get_content_region_avail().x, theme.em(0.9)
        imgui.invisible_button("range", ImVec2(width, height))
        report.mark("Range bar")
        corner = imgui.get_item_rect_min()
        ends = [corner.x + width * min(max(share(v, axis), 0.0), 1.0) for v in limits]
        if imgui.is_item_hovered() or imgui.is_item_active():
            imgui.set_mouse_cursor(imgui.MouseCursor_.resize_ew)
        widgets.hint("" if imgui.is_item_active() else RANGE_TIP)
        self._draw_bar(corner, height, ends, colormap)
        if imgui.is_item_hovered() and imgui.is_mouse_double_clicked(0):
            self._held = None
            return replace(view, gain_db=0.0, offset=0.0)
        return self._drag(view, scale, limits, axis, ends, width)

    def _drag(self, view: View, scale: Scale, limits: Limits, axis: Limits, ends: list[float], width: float) -> View:
        if imgui.is_item_activated():
            x = imgui.get_mouse_pos().x
            self._held = Held(part_at(x, ends, theme.em(0.5)), limits, axis)
        if not imgui.is_item_active():
            self._held = None
        moved = imgui.get_mouse_drag_delta(0, 0.0).x
        if self._held is None or not moved:
            return view
        return scale.showing(view, dragged(self._held, moved / width))

    @staticmethod
    def _draw_bar(corner: ImVec2, height: float, ends: list[float], colormap: str) -> None:
        draw, (left, right) = imgui.get_window_draw_list(), ends
        top, bottom = corner.y + theme.em(0.1), corner.y + height - theme.em(0.35)
        gradient(draw, ImVec2(left, top), ImVec2(max(right, left + 1), bottom), colormap)
        draw.add_rect(ImVec2(left, top), ImVec2(max(right, left + 1), bottom), theme.ink("line"))
        report.mark_rectangle("Shown range", left, corner.y, right, corner.y + height)
        side = theme.em(0.32)
        for x in ends:
            draw.add_line(ImVec2(x, top), ImVec2(x, bottom), theme.ink("text"), theme.em(0.07))
            draw.add_triangle_filled(ImVec2(x - side, bottom + 1.6 * side), ImVec2(x + side, bottom + 1.6 * side),
                                     ImVec2(x, bottom - 0.2 * side), theme.ink("text"))


def axis_of(stats: TapStats, limits: Limits | None) -> Limits:
    """The values along the width: those of the tap and those shown, as far as both can be seen together."""
    low, high = stats.minimum, stats.maximum
    if not low <= high:                  # nothing finite
        low, high = -1.0, 1.0
    span = high - low or abs(high) or 1.0
    if low == high:
        low, high = low - span / 2, high + span / 2
    if limits is None:
        return low, high
    return max(min(low, limits[0]), low - span), min(max(high, limits[1]), high + span)


def share(value: float, axis: Limits) -> float:
    return (value - axis[0]) / (axis[1] - axis[0])


def heights(counts: tuple[int, ...], logarithmic: bool) -> list[float]:
    """The bars, 0..1; logarithmic: log(1 + count), so that a single value can be seen beside a million."""
    shown = [math.log1p(count) if logarithmic else count for count in counts]
    top = max(shown, default=0) or 1
    return [height / top for height in shown]


def part_at(x: float, ends: list[float], reach: float) -> str:
    """What a press at x takes hold of: the nearer end within `reach` pixels or from outside, else all of the bar."""
    left, right = ends
    nearer = "low" if abs(x - left) < abs(x - right) or x < left else "high"
    inside = left + min(reach, (right - left) / 3) < x < right - min(reach, (right - left) / 3)
    return "both" if inside else nearer


def dragged(held: Held, moved: float) -> Limits:
    """The limits after the mouse went `moved` of the axis to the right; the ends never meet."""
    low, high = held.limits
    way = moved * (held.axis[1] - held.axis[0])
    least = (held.axis[1] - held.axis[0]) / 1000
    if held.part == "both":
        return low + way, high + way
    if held.part == "low":
        return min(low + way, high - least), high
    return low, max(high + way, low + least)


def _edges(stats: TapStats) -> list[float]:
    count = len(stats.histogram)
    return [stats.minimum + (stats.maximum - stats.minimum) * index / count for index in range(count + 1)]


def _explain(stats: TapStats, value: float) -> None:
    """What the bar under the cursor stands for."""
    total, bins = sum(stats.histogram), len(stats.histogram)
    if not total or not stats.minimum <= value <= stats.maximum or stats.minimum == stats.maximum:
        widgets.hint("How often each value occurs, over all channels; the bright line is the mean, the blue one zero")
        return
    width = (stats.maximum - stats.minimum) / bins
    index = min(int((value - stats.minimum) / width), bins - 1)
    start = stats.minimum + index * width
    widgets.hint(f"{short(start)} … {short(start + width)}: {percent(stats.histogram[index] / total)} of the values")


def _values(stats: TapStats) -> None:
    """Least, mean and largest value, under the two ends and the middle."""
    start, width = imgui.get_cursor_pos_x(), imgui.get_content_region_avail().x
    for place, name, value in ((0.0, "min", stats.minimum), (0.5, "mean", stats.mean), (1.0, "max", stats.maximum)):
        words = f"{value:.3g}".replace("-", "−")
        room = imgui.calc_text_size(f"{name} {words}").x
        if place:
            imgui.same_line(start + place * (width - room))
        widgets.text(name, "faint")
        imgui.same_line(0, imgui.calc_text_size(" ").x)
        widgets.text(words)
