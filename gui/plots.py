"""What the spectrum panels share: the frequency under the cursor, lines at known frequencies, legends, exports."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from imgui_bundle import ImVec2, imgui, imgui_ctx, implot

from gui import fonts, report, theme, widgets
from gui.exports import Exporter, Write
from renderer.types import RenderRequest, SpectrumResult

FREQUENCY = "cycles per image"
LEVELS = "10 log10(S / mean S), where S is the power spectrum under a Kaiser window (StyleGAN3 app. A)"
QUIET = (implot.Flags_.no_legend | implot.Flags_.no_menus | implot.Flags_.no_box_select | implot.Flags_.no_title
         | implot.Flags_.no_mouse_text)
MARKS = {                                # known frequencies: name, what it is
    "cutoff": ("f_c", "The layer's cutoff: its filters keep what is below (StyleGAN3 sec. 3, fig. 4)"),
    "stopband": ("f_t", "Where the layer's filters have reached their stopband (StyleGAN3 sec. 3, fig. 4)"),
    "nyquist": ("Nyquist", "Half the sampling rate: nothing lies beyond on the axes"),
    "previous_nyquist": ("prev. Nyquist", "Nyquist of the resolution before: what lies beyond was added here"),
}


class Pointed:
    """The frequency under the cursor of one panel, which the others show too."""

    def __init__(self):
        self.frequency: float | None = None
        self._by = ""

    def point(self, by: str, frequency: float | None) -> None:
        if frequency is not None:
            self.frequency, self._by = frequency, by
        elif self._by == by:
            self.frequency, self._by = None, ""

    def elsewhere(self, by: str) -> float | None:
        """What another panel than `by` points at."""
        return self.frequency if self._by != by else None


class Derived:
    """What was computed from objects that don't change, until others come."""

    def __init__(self, compute: Callable):
        self._compute = compute
        self._sources: tuple = ()
        self._value: Any = None

    def __call__(self, *sources):
        """Arrays and results are the same if they are the very same; plain values if they are equal."""
        if len(sources) != len(self._sources) or not all(map(_same, sources, self._sources)):
            self._value, self._sources = self._compute(*sources), sources
        return self._value


def _same(one: Any, other: Any) -> bool:
    return one is other or isinstance(one, (str, int, float, bool)) and one == other


def marks_of(spectrum: SpectrumResult) -> list[tuple[float, str]]:
    """The known frequencies, with their names."""
    return [(float(value), name) for field, (name, _) in MARKS.items()
            if (value := getattr(spectrum, field)) is not None]


def line(name: str, frequency: float, color: str) -> None:
    """A vertical line across the plot."""
    implot.plot_inf_lines(f"##{name}", np.array([frequency]), implot.Spec(line_color=theme.color(color)))


def name_lines(marks: Sequence[tuple[float, str]]) -> None:
    """Each line's name and frequency beside it, one below the other from the top, on the side that has room."""
    draw, corner, size = implot.get_plot_draw_list(), implot.get_plot_pos(), implot.get_plot_size()
    gap, height = theme.em(0.3), imgui.get_text_line_height()
    limits = implot.get_plot_limits()
    inside = sorted((m for m in marks if limits.x.min <= m[0] <= limits.x.max), reverse=True)
    with widgets.clip(draw, corner, ImVec2(corner.x + size.x, corner.y + size.y)):
        for index, (value, name) in enumerate(inside):
            words = f"{name} {value:.4g}"
            width = imgui.calc_text_size(words).x
            at = implot.plot_to_pixels(value, 0.0).x
            left = at - gap - width if at - gap - width > corner.x else min(at + gap, corner.x + size.x - gap - width)
            top = corner.y + gap + index * height
            low, high = ImVec2(left - 1, top), ImVec2(left + width + 1, top + height)
            draw.add_rect_filled(low, high, theme.ink("backdrop", 0.8))
            draw.add_text(ImVec2(left, top), theme.ink("dim"), words)


def say(lines: Sequence[str], inks: Sequence[str] = ()) -> None:
    """Lines of text in the plot's lower left corner, each in its colour; in the upper one while the cursor is there."""
    draw, corner, size = implot.get_plot_draw_list(), implot.get_plot_pos(), implot.get_plot_size()
    pad, height, mouse = theme.em(0.3), imgui.get_text_line_height(), imgui.get_mouse_pos()
    width = max(imgui.calc_text_size(line).x for line in lines)
    near = mouse.y > corner.y + size.y / 2 and mouse.x < corner.x + width + 6 * pad
    top = corner.y + pad if near else corner.y + size.y - len(lines) * height - 3 * pad
    left = corner.x + pad
    draw.add_rect_filled(ImVec2(left, top), ImVec2(left + width + 2 * pad, top + len(lines) * height + 2 * pad),
                         theme.ink("popup", 0.9), pad)
    for index, line in enumerate(lines):
        ink = theme.ink(inks[index] if inks else "text")
        draw.add_text(ImVec2(left + pad, top + pad + index * height), ink, line)


def crosshair() -> None:
    """Through the cursor. ImPlot's own hides it, and glfw drops the motion that arrives while that changes."""
    draw, corner, size = implot.get_plot_draw_list(), implot.get_plot_pos(), implot.get_plot_size()
    mouse, weight = imgui.get_mouse_pos(), theme.em(0.06)
    for ink, extra in ((theme.ink("backdrop", 0.6), 2.5), (theme.ink("text"), 1.0)):     # seen on every colour
        draw.add_line(ImVec2(mouse.x, corner.y), ImVec2(mouse.x, corner.y + size.y), ink, extra * weight)
        draw.add_line(ImVec2(corner.x, mouse.y), ImVec2(corner.x + size.x, mouse.y), ink, extra * weight)


def mark_plot() -> None:
    """Lists the plot's inside as 'Plot'."""
    position, size = implot.get_plot_pos(), implot.get_plot_size()
    report.mark_rectangle("Plot", position.x, position.y, position.x + size.x, position.y + size.y)


def double_clicked() -> bool:
    return implot.is_plot_hovered() and imgui.is_mouse_double_clicked(0)


def decibels(level: float) -> str:
    return f"{level:.1f} dB".replace("-", "−")


# -- buttons ----------------------------------------------------------------------------------------------------------

def legend(words: str, shown: bool, color: str, tip: str) -> bool:
    """A curve's name beside a stroke of its colour; a click shows or hides it."""
    pressed = widgets.small_toggle(f"      {words}", shown, tip, words, lit="text")
    low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
    middle = (low.y + high.y) / 2
    imgui.get_window_draw_list().add_line(
        ImVec2(low.x + theme.em(0.25), middle), ImVec2(low.x + theme.em(1.0), middle),
        theme.ink(color, 1.0 if shown else 0.35), theme.em(0.14))
    return shown ^ pressed


def export(exporter: Exporter, request: RenderRequest, what: str, items: Sequence[tuple[str, str, str, Write]],
           why_not: str = "") -> None:
    """A button with a list of files to save: (name, tooltip, suffix, what writes it) each."""
    if widgets.icon(fonts.EXPORT, "Export", "Saves numbers and pictures into the capture folder", why_not):
        imgui.open_popup("export")
    with imgui_ctx.begin_popup("export") as popup:
        if not popup:
            return
        for name, tip, suffix, write in items:
            if imgui.menu_item(name, suffix.removeprefix(".").upper(), False)[0]:
                exporter.save(request, what, suffix, write)
            report.mark(f"Export/{name}")
            widgets.hint(tip)


def options() -> imgui_ctx.BeginPopup:
    """A button, and the popup it opens: what is seldom changed."""
    if widgets.icon(fonts.OPTIONS, "Options", "Window, colours and marks"):
        imgui.open_popup("options")
    return imgui_ctx.begin_popup("options")
