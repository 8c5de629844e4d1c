"""A report's plots: curves with their confidence bands, marks and levels, a legend, layers' names for ticks."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from imgui_bundle import ImVec2, ImVec4, imgui, implot, implot_ctx

from gui import plots, report, theme, widgets
from gui.plots import Derived
from gui.words import short
from renderer.colormaps import colours
from renderer.report import Axis, Curve, Plot

INKS = ("accent", "warning", "error", "text", "green", "violet")     # of so many curves; of more, a map of colours
BAND = 0.3                               # opacity of a confidence band
LEGEND_LIMIT = 16                        # curves that are named above the plot; of more, the one at the cursor is
SPACE = 0.06                             # of an axis, beyond the outermost value


class Chart:
    """One plot; remembers which curves are hidden and whether a person has zoomed."""

    def __init__(self):
        self._hidden: set[str] = set()
        self._reach = Derived(reach)
        self._fitted: tuple | None = None        # the limits that were set last
        self._zoomed = False
        self.readout = ""                # what is under the cursor; empty: nothing

    def draw(self, plot: Plot, width: float, height: float) -> None:
        self.readout = ""
        colors = [color_of(index, len(plot.curves)) for index in range(len(plot.curves))]
        if 1 < len(plot.curves) <= LEGEND_LIMIT:
            self._legend(plot, colors, width)
        with wheel_scrolls(), implot_ctx.begin_plot(f"##{plot.name}", ImVec2(width, height), plots.QUIET) as opened:
            if not opened:
                return
            self._axes(plot, width)
            self._curves(plot, colors)
            plots.name_lines(plot.marks)
            _name_levels(plot)
            self._read(plot, colors)
            position, size = implot.get_plot_pos(), implot.get_plot_size()
            report.mark_rectangle(plot.name, position.x, position.y, position.x + size.x, position.y + size.y)
            self._watch()

    def _legend(self, plot: Plot, colors: Sequence[ImVec4], width: float) -> None:
        start = imgui.get_cursor_pos_x()
        for index, (curve, color) in enumerate(zip(plot.curves, colors)):
            taken = imgui.calc_text_size(curve.name).x + theme.em(2.2)
            if index and imgui.get_cursor_pos_x() - start + taken <= width:
                pass
            elif index:
                imgui.new_line()
            if legend(curve.name, curve.name not in self._hidden, color):
                self._hidden ^= {curve.name}
            imgui.same_line(0, theme.em(0.2))
        imgui.new_line()

    def _axes(self, plot: Plot, width: float) -> None:
        quiet = implot.AxisFlags_.no_highlight
        implot.setup_axes(title_of(plot.x), title_of(plot.y), quiet, quiet)
        for axis, kind in ((plot.x, implot.ImAxis_.x1), (plot.y, implot.ImAxis_.y1)):
            if axis.logarithmic:
                implot.setup_axis_scale(kind, implot.Scale_.log10)
        if plot.x.ticks:
            implot.setup_axis_ticks(implot.ImAxis_.x1, *thinned(plot.x.ticks, width - theme.em(4)))
        limits = self._reach(plot)
        if not self._zoomed and limits != self._fitted:
            self._fitted = limits
            implot.setup_axes_limits(*limits, implot.Cond_.always)

    def _curves(self, plot: Plot, colors: Sequence[ImVec4]) -> None:
        for value, name in plot.marks:
            plots.line(name, value, "dim")
        for value, name in plot.levels:
            implot.plot_inf_lines(f"##{name}", np.array([float(value)]), implot.Spec(
                line_color=theme.color("dim"), flags=implot.InfLinesFlags_.horizontal))
        for curve, color in zip(plot.curves, colors):
            if curve.name not in self._hidden:
                _draw(curve, color)

    def _read(self, plot: Plot, colors: Sequence[ImVec4]) -> None:
        """What the curves say at the cursor's x."""
        curves = [(c, color) for c, color in zip(plot.curves, colors) if c.name not in self._hidden and len(c.x)]
        if not implot.is_plot_hovered() or not curves:
            return
        mouse = implot.get_plot_mouse_pos()
        found = [(curve, nearest(curve, mouse.x)) for curve, _ in curves]
        if len(found) > LEGEND_LIMIT:
            found = [min(found, key=lambda f: _way(f[0].y[f[1]], mouse.y))]
        x = found[0][0].x[found[0][1]]
        plots.line("cursor", float(x), "faint")
        where = plot.x.ticks[round(x)] if 0 <= round(x) < len(plot.x.ticks) else with_unit(short(x), plot.x.unit)
        lines = [where, *(f"{curve.name}   {said(curve, index, plot.y.unit)}" for curve, index in found)]
        self.readout = "   ".join(lines)
        plots.say(lines, ["dim"] + ["text"] * len(found))

    def _watch(self) -> None:
        """Whether the person zooms or pans: then what comes in doesn't move the axes; a double click ends that."""
        if plots.double_clicked():
            self._zoomed, self._fitted = False, None
        elif implot.is_plot_hovered() and (imgui.is_mouse_dragging(0) or imgui.is_mouse_dragging(1) or
                                           imgui.get_io().key_ctrl and imgui.get_io().mouse_wheel):
            self._zoomed = True


def _draw(curve: Curve, color: ImVec4) -> None:
    x, y = (np.ascontiguousarray(values, float) for values in (curve.x, curve.y))
    if curve.low is not None and curve.high is not None:
        known = np.isfinite(curve.low) & np.isfinite(curve.high)
        faint = implot.Spec(fill_color=color, fill_alpha=BAND, line_color=color)
        implot.plot_shaded(f"##{curve.name} band", x[known], np.asarray(curve.low, float)[known],
                           np.asarray(curve.high, float)[known], faint)
    implot.plot_line(curve.name, x, y, implot.Spec(line_color=color, line_weight=theme.em(0.1)))
    if curve.dots:
        implot.plot_scatter(f"##{curve.name} dots", x, y, implot.Spec(
            marker=implot.Marker_.circle, marker_size=theme.em(0.2), marker_fill_color=color, marker_line_color=color))


@contextmanager
def wheel_scrolls() -> Iterator[None]:
    """The wheel scrolls the panel as elsewhere; with Ctrl, which ImPlot else ignores all input with, it zooms the plot.
    """
    keys = implot.get_input_map()
    before = keys.zoom_mod, keys.override_mod
    keys.zoom_mod, keys.override_mod = int(imgui.Key.mod_ctrl), int(imgui.Key.mod_super)
    try:
        yield
    finally:
        keys.zoom_mod, keys.override_mod = before


def legend(words: str, shown: bool, color: ImVec4) -> bool:
    """A curve's name beside a stroke of its colour; whether it was clicked, to show or hide it."""
    pressed = widgets.small_toggle(f"      {words}", shown, "A click shows or hides it", words, lit="text")
    low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
    middle, ink = (low.y + high.y) / 2, ImVec4(color.x, color.y, color.z, 1.0 if shown else 0.35)
    imgui.get_window_draw_list().add_line(ImVec2(low.x + theme.em(0.25), middle), ImVec2(low.x + theme.em(1.0), middle),
                                          imgui.color_convert_float4_to_u32(ink), theme.em(0.14))
    return pressed


def _name_levels(plot: Plot) -> None:
    """Each horizontal line's name above its right end."""
    draw, corner, size = implot.get_plot_draw_list(), implot.get_plot_pos(), implot.get_plot_size()
    with widgets.clip(draw, corner, ImVec2(corner.x + size.x, corner.y + size.y)):
        for value, name in plot.levels:
            words = name if any(map(str.isdigit, name)) else with_unit(f"{name} {short(value)}", plot.y.unit)
            width, height = imgui.calc_text_size(words).x, imgui.get_text_line_height()
            y = implot.plot_to_pixels(implot.get_plot_limits().x.min, float(value)).y
            at = ImVec2(corner.x + size.x - width - theme.em(0.3), y - height)
            draw.add_rect_filled(at, ImVec2(at.x + width, y), theme.ink("backdrop", 0.8))
            draw.add_text(at, theme.ink("dim"), words)


# -- pure -------------------------------------------------------------------------------------------------------------

def color_of(index: int, count: int) -> ImVec4:
    """A few in colours apart from each other; many along a colormap, from the first to the last."""
    if count <= len(INKS):
        return theme.color(INKS[index])
    low, high = (0.3, 1.0) if theme.color("backdrop").x < 0.5 else (0.0, 0.75)       # unlike the backdrop
    red, green, blue = colours("viridis")[round(255 * (low + (high - low) * index / (count - 1)))] / 255.0
    return ImVec4(red, green, blue, 1.0)


def title_of(axis: Axis) -> str:
    return f"{axis.label} ({axis.unit})" if axis.label and axis.unit else axis.label or axis.unit


def with_unit(words: str, unit: str) -> str:
    return f"{words} {unit}" if unit else words


def said(curve: Curve, index: int, unit: str) -> str:
    """'63.2 dB, 62.8 .. 63.7'."""
    value = "no value" if not np.isfinite(curve.y[index]) else with_unit(short(float(curve.y[index])), unit)
    if curve.low is None or curve.high is None:
        return value
    return f"{value}, {short(float(curve.low[index]))} .. {short(float(curve.high[index]))}"


def nearest(curve: Curve, x: float) -> int:
    return int(np.argmin(np.abs(np.asarray(curve.x, float) - x)))


def _way(one: float, other: float) -> float:
    return abs(one - other) if np.isfinite(one) else np.inf


def thinned(names: Sequence[str], room: float) -> tuple[list[float], list[str]]:
    """Places and names of as many ticks as stand side by side in `room` pixels."""
    widest = max(imgui.calc_text_size(name).x for name in names) + theme.em(0.8)
    step = max(-(-len(names) * widest // max(room, 1.0)), 1)
    places = list(range(0, len(names), int(step)))
    return [float(place) for place in places], [names[place] for place in places]


def reach(plot: Plot) -> tuple[float, float, float, float]:
    """x and y limits: what an axis asks for, else all values with some space."""
    xs = [curve.x for curve in plot.curves] + [[mark for mark, _ in plot.marks]]
    ys = [values for curve in plot.curves for values in (curve.y, curve.low, curve.high) if values is not None]
    if plot.x.ticks:
        xs.append([0, len(plot.x.ticks) - 1])
    return *_span(plot.x, xs, 0.02), *_span(plot.y, [*ys, [level for level, _ in plot.levels]], SPACE)


def _span(axis: Axis, values: Sequence, space: float) -> tuple[float, float]:
    known = np.concatenate([np.asarray(v, float).ravel() for v in values] or [np.empty(0)])
    known = known[np.isfinite(known) & (known > 0 if axis.logarithmic else True)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (1.0, 10.0) if axis.logarithmic else (0, 1)
    if axis.logarithmic:
        margin = (high / low) ** space if high > low else 2.0
        low, high = low / margin, high * margin
    else:
        margin = space * (high - low) if high > low else max(abs(high) * space, 0.5)
        low, high = low - margin, high + margin
    return low if axis.low is None else axis.low, high if axis.high is None else axis.high
