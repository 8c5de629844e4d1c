"""The radial profile: the spectrum's mean over rings of equal frequency, and along two rays."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
from imgui_bundle import imgui, implot, implot_ctx

from gui import exports, plots, theme, widgets
from gui.exports import Exporter
from gui.plots import Derived, Pointed
from gui.preferences import Switch
from renderer.types import RenderRequest, RenderResult, Spectrum, SpectrumResult

CURVES = {                               # name: field of SpectrumResult, colour, what it is
    "Mean": ("radial", "text", "Mean over the ring within 0.5 of each frequency (StyleGAN3 app. A)"),
    "0°": ("slice_0", "accent", "Along the horizontal frequency axis: vertical stripes and edges"),
    "45°": ("slice_45", "warning", "Along the diagonal to the lower right"),
}
LOGARITHMIC = "Frequencies by their logarithm: as much room for every octave"
DEPTH = 120.0                            # dB below the top that are shown at first


class RadialPanel:
    title = "Radial profile"

    def __init__(self, pointed: Pointed, exporter: Exporter):
        self._pointed, self._exporter = pointed, exporter
        self._shown = set(CURVES)
        self._logarithmic = False
        self.switches = (Switch(self, "_logarithmic"),)
        self._limits: tuple | None = None    # what the axes were fitted to
        self._curves, self._reach = Derived(_curves), Derived(_reach)
        self.readout = ""                # what is under the cursor; empty: nothing

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        self.readout = ""
        spectrum = result.spectrum
        if result.info is None or not request.checkpoint.path:
            widgets.wrapped("The spectrum's mean level over rings of equal frequency.", "faint")
            return request
        if request.spectrum is None:
            return replace(request, spectrum=Spectrum())
        self._controls(result)
        if request.table is not None or request.seeds is not None:
            widgets.wrapped("Of one picture at a time, not of many.", "faint")
        elif spectrum is not None and len(spectrum.radial):
            self._plot(spectrum, (request.checkpoint.path, result.request.tap, self._logarithmic))
        return request

    def _controls(self, result: RenderResult) -> None:
        right = imgui.get_cursor_pos_x() + imgui.get_content_region_avail().x
        for name, (_, color, tip) in CURVES.items():
            shown = plots.legend(name, name in self._shown, color, tip)
            (self._shown.add if shown else self._shown.discard)(name)
            imgui.same_line(0, theme.em(0.2))
        if widgets.small_toggle("log f", self._logarithmic, LOGARITHMIC, "Logarithmic"):
            self._logarithmic = not self._logarithmic
        imgui.same_line(right - imgui.get_frame_height())
        items = () if result.spectrum is None else (
            ("Curves", "Radial mean and slices over frequency, with their definitions", ".csv",
             exports.profile_csv(result)),
            ("Curves as an array", "Structured float32 [F]: frequency, radial, slice_0, slice_45", ".npy",
             exports.profile_npy(result)))
        plots.export(self._exporter, result.request, f"{result.request.tap}_radial-profile", items,
                     "" if items else "There is no spectrum yet")

    def _plot(self, spectrum: SpectrumResult, shown: tuple) -> None:
        marks, curves = plots.marks_of(spectrum), self._curves(spectrum)
        with implot_ctx.begin_plot("##radial", imgui.get_content_region_avail(), plots.QUIET) as plot:
            if not plot:
                return
            quiet = implot.AxisFlags_.no_highlight
            implot.setup_axes(plots.FREQUENCY, "dB", quiet, quiet)
            if self._logarithmic:
                implot.setup_axis_scale(implot.ImAxis_.x1, implot.Scale_.log10)
            self._fit(spectrum, shown)
            for value, name in marks:
                plots.line(name, value, "dim")
            first = 1 if self._logarithmic else 0
            for name, (x, y) in curves.items():
                if name in self._shown:
                    weight = theme.em(0.12 if name == "Mean" else 0.08)
                    spec = implot.Spec(line_color=theme.color(CURVES[name][1]), line_weight=weight)
                    implot.plot_line(name, x[first:], y[first:], spec)
            plots.name_lines(marks)
            self._read(curves)
            plots.mark_plot()
            if plots.double_clicked():
                self._limits = None      # all of it again

    def _fit(self, spectrum: SpectrumResult, shown: tuple) -> None:
        """Shows the whole curve when another signal is looked at; keeps the person's zoom otherwise."""
        reach = self._reach(spectrum)
        if shown != self._limits and reach:
            self._limits = shown
            first = 0.8 if self._logarithmic else 0.0
            implot.setup_axes_limits(first, 1.04 * spectrum.nyquist, *reach, implot.Cond_.always)

    def _read(self, curves: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """The levels at the cursor's frequency; or a line where another panel points."""
        if (frequency := self._pointed.elsewhere(self.title)) is not None:
            plots.line("pointed", frequency, "text")
        x, _ = next(iter(curves.values()))
        index = round(implot.get_plot_mouse_pos().x) if implot.is_plot_hovered() else -1
        inside = 0 <= index < len(x)
        self._pointed.point(self.title, float(x[index]) if inside else None)
        names = [name for name in curves if name in self._shown]
        if inside and names:
            plots.line("cursor", float(x[index]), "faint")
            lines = [f"f {x[index]:g}", *(f"{name}   {plots.decibels(curves[name][1][index])}" for name in names)]
            self.readout = "   ".join(lines)
            plots.say(lines, ["dim", *(CURVES[name][1] for name in names)])


def _curves(spectrum: SpectrumResult) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Frequencies and levels of each curve that there is."""
    x = spectrum.frequencies.astype(float)
    return {name: (x, curve.astype(float)) for name, (field, _, _) in CURVES.items()
            if (curve := getattr(spectrum, field)) is not None}


def _reach(spectrum: SpectrumResult) -> tuple[float, float] | None:
    """The levels that the vertical axis covers; None if there is none."""
    curves = [curve[np.isfinite(curve)] for curve in (spectrum.radial, spectrum.slice_0, spectrum.slice_45)
              if curve is not None]
    seen = np.concatenate(curves)
    if not len(seen):
        return None
    low, high = max(float(seen.min()), float(seen.max()) - DEPTH), float(seen.max())
    space = max(0.08 * (high - low), 1.0)
    return low - space, high + space
