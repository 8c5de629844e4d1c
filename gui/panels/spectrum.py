"""The spectrum panels: the 2-D spectrum of what is shown, and its radial profile."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
from imgui_bundle import ImVec2, imgui, implot, implot_ctx

from gui import report, theme, widgets
from gui.texture import Canvas
from renderer.types import RenderRequest, RenderResult, Spectrum, SpectrumResult

FREQUENCY = "cycles per image"
RANGE = "The picture shows levels within ± this around the mean"
_PLAIN = implot.Flags_.no_legend | implot.Flags_.no_menus | implot.Flags_.no_box_select | implot.Flags_.no_title
_MARKS = {                               # vertical lines of the profile: name, colour, what it is
    "cutoff": ("f_c", "accent"), "stopband": ("f_t", "warning"), "nyquist": ("Nyquist", "dim"),
    "previous_nyquist": ("prev. Nyquist", "warning"),
}


class SpectrumPanel:
    """The 2-D picture. While this panel or the profile is visible, the spectrum is computed."""
    title = "Spectrum"

    def __init__(self):
        self._canvas = Canvas()
        self._kept = Spectrum()          # while hidden, when the request holds none
        self._limits: tuple[float, float] | None = None      # the extent that the axes were fitted to

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        tap = next((t for t in result.info.taps if t.name == request.tap), None) if result.info else None
        if tap is None or not request.checkpoint.path:
            widgets.wrapped("The spectrum of what is shown.", "faint")
            return request
        self._kept = spectrum = _controls(request.spectrum or self._kept, tap.shape[0])
        if request.table is not None:
            widgets.wrapped("Of one picture at a time, not of the table.", "faint")
        elif result.spectrum is not None:
            self._plot(result.spectrum, request.tap, spectrum.range_db)
        return replace(request, spectrum=spectrum)

    def _plot(self, spectrum: SpectrumResult, tap: str, range_db: float) -> None:
        high, wide = spectrum.extent[0] / 2, spectrum.extent[1] / 2
        room = imgui.get_content_region_avail()
        if room.x < theme.em(4) or room.y < theme.em(4):
            return
        scale = theme.em(3.7)
        axes = ImVec2(theme.em(2.6), theme.em(1.9))      # room for the numbers along both axes
        side = max(min(room.x - scale - axes.x, room.y - axes.y), theme.em(2))
        room = ImVec2(side + axes.x, side + axes.y)
        with implot_ctx.begin_plot("##spectrum", room, _PLAIN | implot.Flags_.equal | implot.Flags_.crosshairs) as plot:
            if not plot:
                return
            flags = implot.AxisFlags_.no_grid_lines | implot.AxisFlags_.no_highlight
            implot.setup_axes("", "", flags, flags)
            implot.setup_axis_ticks(implot.ImAxis_.x1, _ticks(wide))
            implot.setup_axis_ticks(implot.ImAxis_.y1, _ticks(high))
            if self._limits != spectrum.extent:
                self._limits = spectrum.extent
                implot.setup_axes_limits(-1.05 * wide, 1.05 * wide, -1.05 * high, 1.05 * high, implot.Cond_.always)
            implot.setup_mouse_text(implot.Location_.south_east)
            implot.setup_finish()
            position, size = implot.get_plot_pos(), implot.get_plot_size()
            place = tuple(map(round, (position.x, position.y, position.x + size.x, position.y + size.y)))
            low, top = implot.plot_to_pixels(-wide, high), implot.plot_to_pixels(wide, -high)
            implot.push_plot_clip_rect()
            self._canvas.draw(implot.get_plot_draw_list(), spectrum.picture, place, (low.x, low.y, top.x, top.y))
            implot.pop_plot_clip_rect()
        report.mark_rectangle("Plot", position.x, position.y, position.x + size.x, position.y + size.y)
        widgets.hint(f"Levels 10 log10(S / mean S) of {tap}; axes in {FREQUENCY}")
        _color_scale(ImVec2(position.x + size.x + theme.em(0.5), position.y), size.y, range_db)

    def close(self) -> None:
        self._canvas.close()


class RadialPanel:
    title = "Radial profile"

    def __init__(self):
        self._limits: tuple[str, str] | None = None      # the file and tap that the axes were fitted to

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        spectrum = result.spectrum
        if result.info is None or not request.checkpoint.path:
            widgets.wrapped("The spectrum's mean level over rings of equal frequency.", "faint")
            return request
        if request.spectrum is None:
            return replace(request, spectrum=Spectrum())
        if request.table is None and spectrum is not None and len(spectrum.radial):
            self._plot(spectrum, (request.checkpoint.path, result.request.tap))
        return request

    def _plot(self, spectrum: SpectrumResult, shown: tuple[str, str]) -> None:
        marks = [(value, *_MARKS[name]) for name in _MARKS if (value := getattr(spectrum, name)) is not None]
        with implot_ctx.begin_plot("##radial", imgui.get_content_region_avail(), _PLAIN) as plot:
            if not plot:
                return
            quiet = implot.AxisFlags_.no_highlight
            implot.setup_axes(FREQUENCY, "dB", quiet, quiet)
            implot.setup_mouse_text(implot.Location_.north_east)
            self._fit(spectrum, shown)
            for value, name, color in marks:
                implot.plot_inf_lines(name, np.array([float(value)]), implot.Spec(line_color=theme.color(color)))
            implot.plot_line("radial mean", spectrum.frequencies.astype(float), spectrum.radial.astype(float),
                             implot.Spec(line_color=theme.color("text"), line_weight=theme.em(0.1)))
            _name_lines(marks)
            position, size = implot.get_plot_pos(), implot.get_plot_size()
        report.mark_rectangle("Plot", position.x, position.y, position.x + size.x, position.y + size.y)

    def _fit(self, spectrum: SpectrumResult, shown: tuple[str, str]) -> None:
        """Shows the whole curve when another signal is looked at; keeps the person's zoom otherwise."""
        seen = spectrum.radial[np.isfinite(spectrum.radial)]
        if shown != self._limits and len(seen):
            self._limits = shown
            low, high = max(float(seen.min()), float(seen.max()) - 120.0), float(seen.max())
            space = max(0.08 * (high - low), 1.0)
            implot.setup_axes_limits(0.0, 1.04 * spectrum.nyquist, low - space, high + space, implot.Cond_.always)


def _ticks(reach: float) -> list[float]:
    return [-reach, -reach / 2, 0.0, reach / 2, reach]


def _color_scale(corner: ImVec2, height: float, range_db: float) -> None:
    """A bar of the colours, with the levels at its ends."""
    draw, width, steps = imgui.get_window_draw_list(), theme.em(0.7), 16
    colors = [imgui.color_convert_float4_to_u32(implot.sample_colormap(1 - step / steps, implot.Colormap_.viridis))
              for step in range(steps + 1)]
    for step, (above, below) in enumerate(zip(colors, colors[1:])):
        top, bottom = corner.y + height * step / steps, corner.y + height * (step + 1) / steps
        draw.add_rect_filled_multi_color(ImVec2(corner.x, top), ImVec2(corner.x + width, bottom),
                                         above, above, below, below)
    line = imgui.get_text_line_height()
    for share, words in ((0.0, f"+{range_db:.0f}"), (0.5, "0 dB"), (1.0, f"−{range_db:.0f}")):
        at = ImVec2(corner.x + width + theme.em(0.3), corner.y + share * (height - line))
        draw.add_text(at, theme.ink("dim"), words)


def _name_lines(marks: list[tuple[float, str, str]]) -> None:
    """Each line's name and frequency beside it, one below the other from the top, on the side that has room."""
    draw, corner, size = implot.get_plot_draw_list(), implot.get_plot_pos(), implot.get_plot_size()
    gap, height = theme.em(0.3), imgui.get_text_line_height()
    limits = implot.get_plot_limits()
    inside = sorted((m for m in marks if limits.x.min <= m[0] <= limits.x.max), reverse=True)
    with widgets.clip(draw, corner, ImVec2(corner.x + size.x, corner.y + size.y)):
        for index, (value, name, color) in enumerate(inside):
            words = f"{name} {value:.4g}"
            width = imgui.calc_text_size(words).x
            at = implot.plot_to_pixels(value, 0.0).x
            left = at - gap - width if at - gap - width > corner.x else min(at + gap, corner.x + size.x - gap - width)
            top = corner.y + gap + index * height
            low, high = ImVec2(left - 1, top), ImVec2(left + width + 1, top + height)
            draw.add_rect_filled(low, high, theme.ink("backdrop", 0.8))
            draw.add_text(ImVec2(left, top), theme.ink(color), words)


def _controls(spectrum: Spectrum, count: int) -> Spectrum:
    """Channel and range, side by side."""
    width = widgets.even_width(2)
    index = -1 if spectrum.channel is None else spectrum.channel
    imgui.set_next_item_width(width)
    index = widgets.int_bar("Channel", index, -1, count - 1, "all channels" if index < 0 else f"channel %d of {count}")
    widgets.hint("Summed over all channels, or of one")
    imgui.same_line()
    imgui.set_next_item_width(-1)
    decibels = widgets.bar("Range", spectrum.range_db, 5.0, 100.0, "±%.0f dB")
    widgets.hint(RANGE)
    return replace(spectrum, channel=None if index < 0 else index, range_db=decibels)
