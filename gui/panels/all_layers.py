"""All layers: the radial spectrum of every tap, overlaid or as a waterfall."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from imgui_bundle import ImVec2, ImVec4, imgui, implot, implot_ctx

from gui import colorbar, exports, plots, theme, widgets
from gui.exports import Exporter
from gui.plots import Derived, Pointed
from gui.preferences import Switch
from gui.requests import look_at
from gui.waterfall import Axis, Waterfall, waterfall_picture
from renderer.colormaps import colours
from renderer.types import RenderRequest, RenderResult, TapSummary

KINDS = ("Curves", "Waterfall")
KIND_TIPS = ("Every layer's curve over frequency, coloured from the first layer to the last",
             "A row of colours for every layer, its level over frequency")
TAPS = "The result of each layer, or every signal within the layers"
AXIS = "Frequencies by their logarithm: as much room for every octave"
RANGE = "The waterfall's colours span levels within ± this around the mean"
POINTS = 160                             # of a curve, drawn
NEAR = 0.8                               # ems from the cursor to the curve that it means
SAVED_SCALE = 8                          # pixels of a row in a saved waterfall
Curve = tuple[TapSummary, np.ndarray, np.ndarray]


class AllLayersPanel:
    """While this panel is visible, every tap is summarised."""
    title = "All layers"

    def __init__(self, pointed: Pointed, exporter: Exporter):
        self._pointed, self._exporter = pointed, exporter
        self._kind, self._every, self._logarithmic = KINDS[0], False, True
        self.switches = Switch(self, "_every"), Switch(self, "_logarithmic")
        self._colormap, self._range = "viridis", 40.0
        self._waterfall = Waterfall()
        self._taps, self._curves, self._reach = Derived(chosen_taps), Derived(_curves), Derived(_reach)
        self._limits: tuple | None = None    # what the axes were fitted to
        self._meant = ""                 # the tap whose curve is under the cursor
        self.readout = ""                # what is under the cursor; empty: nothing

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        self.readout = ""
        if result.info is None or not request.checkpoint.path:
            widgets.wrapped("The spectra of all layers at once.", "faint")
            return request
        request = replace(request, strip=True)
        taps = self._taps(result.strip, self._every)
        self._controls(result, taps)
        if request.table is not None or request.seeds is not None:
            widgets.wrapped("Of one picture at a time, not of many.", "faint")
            return request
        if not taps:
            widgets.wrapped("Filled as soon as the layers are rendered.", "faint")
            return request
        axis = Axis(max(float(tap.frequencies[-1]) for tap in taps), self._logarithmic)
        picked = self._plot(taps, axis, request) if self._kind == KINDS[0] else self._fall(taps, axis, request)
        chosen = next((tap for tap in result.info.taps if tap.name == picked), None)
        return look_at(request, chosen) if chosen else request

    # -- controls -----------------------------------------------------------------------------------------------------

    def _controls(self, result: RenderResult, taps: Sequence[TapSummary]) -> None:
        side, gap = imgui.get_frame_height(), imgui.get_style().item_spacing.x
        width = min(imgui.get_content_region_avail().x - 2 * side - gap, theme.em(14))
        right = imgui.get_cursor_pos_x() + imgui.get_content_region_avail().x
        self._kind = widgets.segmented("Kind", self._kind, KINDS, width, KIND_TIPS)
        imgui.same_line(right - 2 * side)
        with plots.options() as opened:
            if opened:
                self._options()
        imgui.same_line(0, 0)
        self._export(result, taps)

    def _options(self) -> None:
        imgui.dummy(ImVec2(theme.em(18), 0))
        taps = widgets.segments("Taps", "all" if self._every else "layers", ("layers", "all"), "layers", TAPS)
        self._every = taps == "all"
        self._logarithmic = widgets.toggle("Logarithmic", self._logarithmic, True, AXIS)
        self._colormap = colorbar.menu("Colormap", self._colormap, "viridis")
        self._range = widgets.slider("Range", self._range, 5.0, 100.0, 40.0, "±%.0f dB", RANGE)

    def _export(self, result: RenderResult, taps: Sequence[TapSummary]) -> None:
        items = () if not taps else (
            ("Curves", "A column of decibels for each layer, a line for each frequency, with definitions", ".csv",
             exports.strip_csv(result, taps)),
            ("Curves as arrays", "Float32 decibels at 0, 1, 2, .. cycles per image for each layer by its name", ".npz",
             exports.strip_npz(taps)),
            ("Waterfall", "A row for each layer; opening it restores everything", ".png", self._save(result, taps)))
        plots.export(self._exporter, result.request, "all-layers", items, "" if items else "There are no curves yet")

    def _save(self, result: RenderResult, taps: Sequence[TapSummary]) -> exports.Write:
        highest = max(float(tap.frequencies[-1]) for tap in taps)
        arguments = taps, highest, self._logarithmic, 512, self._colormap, self._range
        return lambda path: exports.waterfall_png(
            result, waterfall_picture(*arguments).repeat(SAVED_SCALE, axis=0))(path)

    # -- the two kinds ------------------------------------------------------------------------------------------------

    def _fall(self, taps: Sequence[TapSummary], axis: Axis, request: RenderRequest) -> str:
        """The name of the tap that was clicked."""
        tap, frequency, clicked = self._waterfall(taps, axis, self._colormap, self._range, request.tap,
                                                  self._pointed.elsewhere(self.title))
        self._pointed.point(self.title, frequency)
        if tap is not None:
            self.readout = "   ".join(self._told(tap, frequency))
            widgets.tell("\n".join(self._told(tap, frequency)))
        return tap.name if clicked else ""

    @staticmethod
    def _told(tap: TapSummary, frequency: float | None) -> list[str]:
        index = -1 if frequency is None else round(frequency)
        known = 0 <= index < len(tap.radial)
        return [tap.name, *([f"f {index}   {plots.decibels(tap.radial[index])}"] if known else [])]

    def _plot(self, taps: Sequence[TapSummary], axis: Axis, request: RenderRequest) -> str:
        """The name of the tap whose curve was clicked."""
        with implot_ctx.begin_plot("##layers", imgui.get_content_region_avail(), plots.QUIET) as plot:
            if not plot:
                return ""
            quiet = implot.AxisFlags_.no_highlight
            implot.setup_axes(plots.FREQUENCY, "dB", quiet, quiet)
            if self._logarithmic:
                implot.setup_axis_scale(implot.ImAxis_.x1, implot.Scale_.log10)
            shown = request.checkpoint.path, axis, self._every
            if shown != self._limits:
                self._limits = shown
                first, last = (0.8, 1.15) if self._logarithmic else (0.0, 1.04)
                implot.setup_axes_limits(first, last * axis.highest, *self._reach(taps), implot.Cond_.always)
            curves = self._curves(taps, self._logarithmic)
            self._draw(curves, request.tap)
            meant = self._read(curves)
            plots.mark_plot()
            if plots.double_clicked():
                self._limits = None      # all of it again
            clicked = implot.is_plot_hovered() and imgui.is_mouse_released(0) and not any(_drag())
        return meant if clicked else ""

    def _draw(self, curves: list[Curve], chosen: str) -> None:
        """All of them, the one looked at and the one under the cursor last and strongest."""
        table = colours(self._colormap)
        start = 0.15 if theme.color("backdrop").x < 0.5 else 0.0         # away from the backdrop's own brightness
        last = [self._meant, chosen]
        ordered = sorted(enumerate(curves), key=lambda c: last.index(c[1][0].name) if c[1][0].name in last else -1)
        for index, (tap, x, y) in ordered:
            red, green, blue = table[round(255 * (start + 0.85 * index / max(len(curves) - 1, 1)))] / 255.0
            strong = tap.name in (chosen, self._meant)
            alpha = 0.85 if tap.current else 0.3
            color = theme.color("text") if tap.name == chosen else ImVec4(red, green, blue, alpha)
            spec = implot.Spec(line_color=color, line_weight=theme.em(0.16 if strong else 0.08))
            implot.plot_line(tap.name, x, y, spec)

    def _read(self, curves: list[Curve]) -> str:
        """The name of the tap whose curve is at the cursor; says what is there."""
        if (frequency := self._pointed.elsewhere(self.title)) is not None:
            plots.line("pointed", frequency, "text")
        hovered = implot.is_plot_hovered()
        frequency = implot.get_plot_mouse_pos().x if hovered else None
        self._pointed.point(self.title, frequency)
        tap = nearest([tap for tap, _, _ in curves], frequency) if hovered else None
        self._meant = tap.name if tap else ""
        if tap:
            self.readout = "   ".join(self._told(tap, frequency))
            plots.say([*self._told(tap, frequency), "click to look at it"], ["text", "text", "faint"])
        return self._meant

    def close(self) -> None:
        self._waterfall.close()


def nearest(taps: Sequence[TapSummary], frequency: float) -> TapSummary | None:
    """The tap whose curve is nearest to the cursor, above or below it; None if none is near."""
    index, y = round(frequency), imgui.get_mouse_pos().y
    ways = [(abs(implot.plot_to_pixels(frequency, float(tap.radial[index])).y - y), order)
            for order, tap in enumerate(taps) if 0 <= index < len(tap.radial)]
    way, order = min(ways, default=(theme.em(100), 0))
    return taps[order] if way < theme.em(NEAR) else None


def chosen_taps(strip: tuple[TapSummary, ...], every: bool) -> tuple[TapSummary, ...]:
    """Those with a curve; unless `every`, only the last one of each layer."""
    taps = [tap for tap in strip if len(tap.frequencies) > 1]
    last = {tap.name.rpartition(".")[0] or tap.name: tap.name for tap in taps}
    return tuple(tap for tap in taps if every or tap.name in last.values())


def _curves(taps: Sequence[TapSummary], logarithmic: bool) -> list[Curve]:
    """Frequencies and levels, thinned to what can be seen."""
    def thinned(tap: TapSummary) -> Curve:
        first, last = int(logarithmic), len(tap.frequencies) - 1
        if last - first < POINTS:
            picks = np.arange(first, last + 1)
        else:
            spaced = np.geomspace(1, last, POINTS) if logarithmic else np.linspace(first, last, POINTS)
            picks = np.unique(spaced.round().astype(int))
        return tap, tap.frequencies[picks].astype(float), tap.radial[picks].astype(float)
    return [thinned(tap) for tap in taps]


def _reach(taps: Sequence[TapSummary]) -> tuple[float, float]:
    """The levels that the vertical axis covers: nearly all, and no more than 120 dB."""
    levels = np.concatenate([tap.radial[1:] for tap in taps])
    levels = levels[np.isfinite(levels)]
    if not len(levels):
        return -1.0, 1.0
    low, high = max(float(levels.min()), float(levels.max()) - 120.0), float(levels.max())
    space = max(0.05 * (high - low), 1.0)
    return low - space, high + space


def _drag() -> tuple[float, float]:
    moved = imgui.get_mouse_drag_delta(0)
    return moved.x, moved.y
