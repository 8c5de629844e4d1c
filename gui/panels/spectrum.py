"""The spectrum panel: the 2-D power spectrum of what is shown."""
from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from imgui_bundle import ImVec2, imgui, implot, implot_ctx

from gui import colorbar, exports, plots, theme, widgets
from gui.exports import Exporter
from gui.plots import Pointed
from gui.texture import Canvas
from renderer.types import RenderRequest, RenderResult, Spectrum, SpectrumResult

RANGE = "The picture shows levels within ± this around the mean"
BETA = ("Shape of the Kaiser window: larger lets strong frequencies leak less into the others, and blurs more "
        "(StyleGAN3 app. A takes 8)")
DEFAULT = Spectrum()


class SpectrumPanel:
    """While this panel or the profile is visible, the spectrum is computed."""
    title = "Spectrum"

    def __init__(self, pointed: Pointed, exporter: Exporter):
        self._pointed, self._exporter = pointed, exporter
        self._canvas = Canvas()
        self._kept = Spectrum()          # while hidden, when the request holds none
        self._limits: tuple[float, float] | None = None      # the extent that the axes were fitted to
        self._circles = {"cutoff", "stopband"}
        self.readout = ""                # what is under the cursor; empty: nothing

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        self.readout = ""
        tap = next((t for t in result.info.taps if t.name == request.tap), None) if result.info else None
        if tap is None or not request.checkpoint.path:
            widgets.wrapped("The spectrum of what is shown.", "faint")
            return request
        self._kept = spectrum = self._controls(request.spectrum or self._kept, tap.shape[0], result)
        if request.table is not None or request.seeds is not None:
            widgets.wrapped("Of one picture at a time, not of many.", "faint")
        elif result.spectrum is not None:
            self._plot(result.spectrum, spectrum)
        return replace(request, spectrum=spectrum)

    # -- controls -----------------------------------------------------------------------------------------------------

    def _controls(self, spectrum: Spectrum, count: int, result: RenderResult) -> Spectrum:
        """Channel and range, side by side; what is seldom changed behind a button."""
        side, gap = imgui.get_frame_height(), imgui.get_style().item_spacing.x
        width = (imgui.get_content_region_avail().x - 2 * side - 2 * gap) / 2
        index = -1 if spectrum.channel is None else spectrum.channel
        imgui.set_next_item_width(width)
        form = "all channels" if index < 0 else f"channel {index}"
        index = widgets.int_bar("Channel", index, -1, count - 1, form)
        widgets.hint("Summed over all channels, or of one")
        imgui.same_line()
        imgui.set_next_item_width(width)
        decibels = widgets.bar("Range", spectrum.range_db, 5.0, 100.0, "±%.0f dB")
        widgets.hint(RANGE)
        imgui.same_line()
        spectrum = replace(spectrum, channel=None if index < 0 else index, range_db=decibels)
        with plots.options() as opened:
            if opened:
                spectrum = self._options(spectrum, result.spectrum)
        imgui.same_line(0, 0)
        self._export(result)
        return spectrum

    def _options(self, spectrum: Spectrum, shown: SpectrumResult | None) -> Spectrum:
        imgui.dummy(ImVec2(theme.em(18), 0))
        beta = widgets.slider("Kaiser β", spectrum.beta, 0.0, 20.0, DEFAULT.beta, "%.1f", BETA)
        colormap = colorbar.menu("Colormap", spectrum.colormap, DEFAULT.colormap)
        widgets.section("Circles at")
        for field, (name, tip) in plots.MARKS.items():
            exists = shown is not None and getattr(shown, field) is not None
            if widgets.toggle(name, field in self._circles, field in ("cutoff", "stopband"), tip,
                              "" if exists else "This network's layers have none"):
                self._circles.add(field)
            else:
                self._circles.discard(field)
        return replace(spectrum, beta=beta, colormap=colormap)

    def _export(self, result: RenderResult) -> None:
        items = () if result.spectrum is None else (
            ("Picture", "One pixel per bin, zero frequency in the middle; opening it restores everything", ".png",
             exports.picture_png(result)),
            ("Figure", "Enlarged, with axes and the scale of its colours; opening it restores everything", ".png",
             exports.figure_png(result)),
            ("Levels", "Decibels of every bin, float32 [H, W], zero frequency at (H // 2, W // 2)", ".npy",
             exports.levels_npy(result)),
            ("Profiles", "Radial mean and slices over frequency, with their definitions", ".csv",
             exports.profile_csv(result)))
        plots.export(self._exporter, result.request, f"{result.request.tap}_spectrum", items,
                     "" if items else "There is no spectrum yet")

    # -- the picture --------------------------------------------------------------------------------------------------

    def _plot(self, spectrum: SpectrumResult, wanted: Spectrum) -> None:
        high, wide = spectrum.extent[0] / 2, spectrum.extent[1] / 2
        room = imgui.get_content_region_avail()
        if room.x < theme.em(4) or room.y < theme.em(4):
            return
        scale = theme.em(3.7)
        axes = ImVec2(theme.em(2.6), theme.em(1.9))      # room for the numbers along both axes
        side = max(min(room.x - scale - axes.x, room.y - axes.y), theme.em(2))
        size = ImVec2(side + axes.x, side + axes.y)
        with implot_ctx.begin_plot("##spectrum", size, plots.QUIET | implot.Flags_.equal) as plot:
            if not plot:
                return
            flags = implot.AxisFlags_.no_grid_lines | implot.AxisFlags_.no_highlight
            implot.setup_axes("", "", flags, flags)
            implot.setup_axis_ticks(implot.ImAxis_.x1, _ticks(wide))
            implot.setup_axis_ticks(implot.ImAxis_.y1, _ticks(high))
            if self._limits != spectrum.extent:
                self._limits = spectrum.extent
                implot.setup_axes_limits(-1.05 * wide, 1.05 * wide, -1.05 * high, 1.05 * high, implot.Cond_.always)
            implot.setup_finish()
            position, size = implot.get_plot_pos(), implot.get_plot_size()
            implot.push_plot_clip_rect()
            self._draw(spectrum)
            self._read(spectrum)
            implot.pop_plot_clip_rect()
            plots.mark_plot()
            if plots.double_clicked():
                self._limits = None      # all of it again
        _color_scale(ImVec2(position.x + size.x + theme.em(0.5), position.y), size.y, wanted)

    def _draw(self, spectrum: SpectrumResult) -> None:
        position, size = implot.get_plot_pos(), implot.get_plot_size()
        place = tuple(map(round, (position.x, position.y, position.x + size.x, position.y + size.y)))
        x0, y0, x1, y1 = edges(spectrum.picture.shape[:2], spectrum.extent)
        low, high = implot.plot_to_pixels(x0, y0), implot.plot_to_pixels(x1, y1)
        draw = implot.get_plot_draw_list()
        self._canvas.draw(draw, spectrum.picture, place, (low.x, low.y, high.x, high.y))
        for field in sorted(self._circles):
            if (frequency := getattr(spectrum, field)) is not None:
                _circle(draw, frequency, theme.em(0.09))
        if (frequency := self._pointed.elsewhere(self.title)) is not None:
            _circle(draw, frequency, theme.em(0.06))

    def _read(self, spectrum: SpectrumResult) -> None:
        found = None
        if implot.is_plot_hovered() and spectrum.levels is not None:
            mouse = implot.get_plot_mouse_pos()
            found = bin_at(spectrum.levels, spectrum.extent, mouse.x, mouse.y)
        self._pointed.point(self.title, math.hypot(*found[:2]) if found else None)
        if found:
            fx, fy, level = found
            lines = (f"fx {_figure(fx)}   fy {_figure(fy)}",
                     f"|f| {_figure(math.hypot(fx, fy))}   {plots.decibels(level)}")
            self.readout = "   ".join(lines)
            plots.crosshair()
            plots.say(lines)

    def close(self) -> None:
        self._canvas.close()


def edges(size: tuple[int, int], extent: tuple[float, float]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the picture in frequencies: zero is the middle of bin (H//2, W//2), up positive."""
    (height, width), (high, wide) = size, extent
    left, top = -(width // 2 + 0.5) * wide / width, (height // 2 + 0.5) * high / height
    return left, top, left + wide, top - high


def bin_at(levels: np.ndarray, extent: tuple[float, float], fx: float, fy: float) -> tuple[float, float, float] | None:
    """The bin at (fx, fy), up positive: its own frequencies and its level; None outside."""
    height, width = levels.shape
    step_y, step_x = extent[0] / height, extent[1] / width
    column, row = math.floor(fx / step_x + width // 2 + 0.5), math.floor(-fy / step_y + height // 2 + 0.5)
    if not (0 <= column < width and 0 <= row < height):
        return None
    return (column - width // 2) * step_x, (height // 2 - row) * step_y, float(levels[row, column])


def _ticks(reach: float) -> list[float]:
    return [-reach, -reach / 2, 0.0, reach / 2, reach]


def _figure(frequency: float) -> str:
    return f"{round(frequency, 2) + 0.0:g}".replace("-", "−")


def _circle(draw: imgui.ImDrawList, frequency: float, weight: float) -> None:
    """Around zero frequency: light on dark or dark on light, so that it shows on every colour."""
    center, edge = implot.plot_to_pixels(0.0, 0.0), implot.plot_to_pixels(frequency, 0.0)
    for ink, extra in ((theme.ink("backdrop", 0.6), 2.0), (theme.ink("text"), 1.0)):
        draw.add_circle(center, abs(edge.x - center.x), ink, 96, extra * weight)


def _color_scale(corner: ImVec2, height: float, wanted: Spectrum) -> None:
    """A bar of the colours, with the levels at its ends."""
    imgui.set_cursor_screen_pos(corner)
    imgui.dummy(ImVec2(theme.em(3.2), height))
    widgets.hint(f"Levels: {plots.LEVELS}; axes in {plots.FREQUENCY}")
    draw, width = imgui.get_window_draw_list(), theme.em(0.7)
    colorbar.gradient(draw, corner, ImVec2(corner.x + width, corner.y + height), wanted.colormap, upward=True)
    line = imgui.get_text_line_height()
    for share, words in ((0.0, f"+{wanted.range_db:.0f}"), (0.5, "0 dB"), (1.0, f"−{wanted.range_db:.0f}")):
        at = ImVec2(corner.x + width + theme.em(0.3), corner.y + share * (height - line))
        draw.add_text(at, theme.ink("dim"), words)
