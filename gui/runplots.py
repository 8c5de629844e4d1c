"""A run's statistics as plots below each other: one axis of kimg, one cursor and one zoom for all of them."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from imgui_bundle import ImVec2, imgui, imgui_ctx, implot, implot_ctx

from gui import charts, plots, report, theme, widgets
from gui.plots import Derived
from gui.words import short
from renderer.runstats import Statistics, smoothed, thinned

HEIGHT_EMS = 8.0                         # of a plot
COLUMN_EMS = 21.0                        # its least width: as many columns as fit
RAW = 0.3                                # opacity of what is not smoothed, behind what is
MOST_SMOOTHING = 0.99
SMOOTHING = "Each point's mean with those before it, so much less of it for every tick back; what was measured is faint"
DECADES = 1.5
MARGIN, SPACE = 0.02, 0.08               # of the range, on both sides, and below and above


@dataclass(frozen=True)
class Group:
    """One plot."""
    title: str
    curves: tuple[tuple[str, str], ...]  # names in stats.jsonl, and in the legend
    tip: str
    unit: str = ""
    logarithmic: bool = False            # at first, if its values span more than DECADES


GROUPS = (
    Group("Losses", (("G.loss", "G"), ("D.real_loss", "D, real"), ("D.fake_loss", "D, generated")),
          "What G and D minimise, without the regularisers: softplus of the scores (StyleGAN2 sec. 2)"),
    Group("Scores of D", (("D.real_score", "real"), ("D.fake_score", "generated"), ("G.score", "generated, G's step")),
          "D's output before the loss: above 0 it takes a picture for real. Far apart for long: D has won"),
    Group("R1 penalty", (("D.penalty", "R1"),),
          "The squared gradient of D's score at real pictures, times gamma / 2: it keeps D smooth (StyleGAN2 sec. 2)",
          logarithmic=True),
    Group("Path length", (("G.path_length", "length"), ("path_length_mean", "its running mean")),
          "How far the picture moves for a step in w; regularised towards its mean (StyleGAN2 sec. 3.2)"),
    Group("Path penalty", (("G.path_penalty", "penalty"),),
          "The squared distance of path lengths from their mean (StyleGAN2 sec. 3.2)", logarithmic=True),
    Group("Augmentation", (("p", "p"), ("r_t", "r_t")),
          "Probability p of each augmentation, and r_t = E[sign D(real)], by which p is steered (ADA sec. 3)"),
    Group("Level of detail", (("lod", "lod"),), "How many halvings of the full resolution are trained now"),
    Group("Speed", (("img_per_s", "speed"),), "Pictures shown a second, snapshots and metrics apart", "img/s"),
    Group("Time", (("seconds.g_main", "G"), ("seconds.d_main", "D"), ("seconds.g_reg", "path lengths"),
                   ("seconds.d_reg", "R1"), ("seconds.data", "waiting for pictures")),
          "Seconds for a thousand pictures, by what they are spent on", "s/kimg"),
    Group("Memory", (("memory_gb", "memory"),),
          "The most that was held since the tick before; without a GPU: since the start", "GB"),
    Group("Gradients replaced", (("nonfinite", "count"),), "Numbers in gradients that were not finite, in each tick"),
)
METRICS = {                              # what stats.jsonl calls them: title and meaning
    "swd": ("SWD", "Sliced Wasserstein distance of patches to the set's pictures: less is better"),
    "fid": ("FID", "Fréchet Inception distance to the set's pictures: less is better"),
    "kid": ("KID", "Kernel Inception distance to the set's pictures: less is better"),
    "ppl": ("PPL", "Perceptual path length: less is smoother"),
}


class RunPlots:
    """Remembers smoothing, zoom, hidden curves and logarithmic axes from frame to frame."""

    def __init__(self):
        self.smoothing = 0.0
        self.readout = ""                # what is under the cursor; empty: nothing
        self.drawn: dict[str, int] = {}  # points drawn of each curve, for tests
        self._hidden: set[tuple[str, str]] = set()
        self._flipped: set[str] = set()  # plots whose vertical axis is not as it is at first
        self._groups, self._full = Derived(groups_of), Derived(full_range)
        self._low, self._high = implot.BoxedValue(0.0), implot.BoxedValue(1.0)
        self._zoomed = self._asked_for_all = False
        self._columns = 1
        self._at: float | None = None    # kimg under the cursor
        self._curves: dict[tuple, tuple] = {}        # what is drawn, by name; of:
        self._curves_of: tuple = ()

    def reset(self) -> None:
        """Another run is looked at: all of it."""
        self._zoomed = False

    def draw(self, statistics: Statistics) -> None:
        self.readout = ""
        groups = self._groups(statistics)
        if not groups:
            widgets.wrapped("Nothing was measured yet: the first numbers come with the first tick.", "faint")
            return
        self.smoothing = widgets.slider("Smoothing", self.smoothing, 0.0, MOST_SMOOTHING, 0.0, tip=SMOOTHING)
        self._follow(statistics)
        at, self._at = self._at, None
        with imgui_ctx.begin_child("plots"):
            self._columns = max(int(imgui.get_content_region_avail().x / theme.em(COLUMN_EMS)), 1)
            with imgui_ctx.begin_table("plots", self._columns) as table, aligned():
                for group in groups if table else ():
                    imgui.table_next_column()
                    self._plot(group, statistics, at)
        report.mark("Plots")
        self._watch()

    # -- the axis they share ------------------------------------------------------------------------------------------

    def _follow(self, statistics: Statistics) -> None:
        """All of it, as it grows, until somebody zooms."""
        if not self._zoomed:
            self._low.value, self._high.value = self._full(statistics)
        self._set = self._low.value, self._high.value

    def _watch(self) -> None:
        """Whether one of the plots was zoomed or moved: ImPlot writes that into the limits. A double click ends it."""
        span = self._set[1] - self._set[0]
        moved = max(abs(self._low.value - self._set[0]), abs(self._high.value - self._set[1]))
        self._zoomed = (self._zoomed or moved > 1e-6 * span) and not self._asked_for_all
        self._asked_for_all = False

    @property
    def shown(self) -> tuple[float, float]:
        """The range of kimg in sight."""
        return self._low.value, self._high.value

    # -- one plot -----------------------------------------------------------------------------------------------------

    def _plot(self, group: Group, statistics: Statistics, at: float | None) -> None:
        width = imgui.get_content_region_avail().x
        logarithmic = self._title(group, width)
        colors = [charts.color_of(index, len(group.curves)) for index in range(len(group.curves))]
        self._legend(group, colors, width)
        size = ImVec2(width, theme.em(HEIGHT_EMS))
        if not imgui.is_rect_visible(size):
            imgui.dummy(size)
            report.mark(group.title)
            return
        shown = [(name, words, color) for (name, words), color in zip(group.curves, colors)
                 if (group.title, name) not in self._hidden]
        room = implot_ctx.push_style_var(implot.StyleVar_.fit_padding, ImVec2(0, SPACE))
        with room, charts.wheel_scrolls(), implot_ctx.begin_plot(f"##{group.title}", size, plots.QUIET) as opened:
            if opened:
                self._axes(logarithmic)
                for name, _, color in shown:
                    self._curve(statistics, name, color, int(width))
                if at is not None:
                    plots.line("cursor", at, "faint")
                name_axis()
                self._read(group, statistics, shown)
                position, area = implot.get_plot_pos(), implot.get_plot_size()
                report.mark_rectangle(group.title, position.x, position.y, position.x + area.x, position.y + area.y)
                self._asked_for_all |= plots.double_clicked()

    def _title(self, group: Group, width: float) -> bool:
        """Its name, and whether its vertical axis is logarithmic."""
        start = imgui.get_cursor_pos_x()
        widgets.clipped(f"{group.title} ({group.unit})" if group.unit else group.title, "text", width - theme.em(3))
        widgets.hint(group.tip)
        imgui.same_line(start + width - theme.em(2))
        logarithmic = group.logarithmic ^ (group.title in self._flipped)
        if widgets.small_toggle("log", logarithmic, "Logarithmic: small values as much as large ones",
                                f"log {group.title}"):
            self._flipped ^= {group.title}
        return logarithmic

    def _legend(self, group: Group, colors: Sequence, width: float) -> None:
        if len(group.curves) < 2:
            if self._columns > 1:        # as high as the plots beside it
                imgui.dummy(ImVec2(0, imgui.get_text_line_height()))
            return
        start = imgui.get_cursor_pos_x()
        for index, ((name, words), color) in enumerate(zip(group.curves, colors)):
            if index:
                imgui.same_line(0, theme.em(0.2))
                if imgui.get_cursor_pos_x() - start + imgui.calc_text_size(words).x + theme.em(2.2) > width:
                    imgui.new_line()
            with imgui_ctx.push_id(group.title):
                if charts.legend(words, (group.title, name) not in self._hidden, color):
                    self._hidden ^= {(group.title, name)}

    def _axes(self, logarithmic: bool) -> None:
        quiet, fit = implot.AxisFlags_.no_highlight, implot.AxisFlags_.auto_fit | implot.AxisFlags_.range_fit
        implot.setup_axes("", "", quiet, quiet | fit)
        if logarithmic:
            implot.setup_axis_scale(implot.ImAxis_.y1, implot.Scale_.log10)
        implot.setup_axis_links(implot.ImAxis_.x1, self._low, self._high)

    def _curve(self, statistics: Statistics, name: str, color, width: int) -> None:
        raw, smooth = self._points(statistics, name, width)
        weight = theme.em(0.1)
        if self.smoothing:
            implot.plot_line(f"##{name} raw", *raw, implot.Spec(line_color=faint(color), line_weight=weight))
        if len(smooth[0]) == 1 or name.startswith("metric."):
            implot.plot_scatter(f"##{name} dots", *smooth, implot.Spec(
                marker=implot.Marker_.circle, marker_size=theme.em(0.2), marker_fill_color=color,
                marker_line_color=color))
        implot.plot_line(name, *smooth, implot.Spec(line_color=color, line_weight=weight))

    def _points(self, statistics: Statistics, name: str, width: int) -> tuple:
        """What is drawn of a curve: as measured, and smoothed. Made anew when something of this is another."""
        of = statistics, self.smoothing, self.shown, width
        if not self._curves_of or any(map(lambda one, other: one is not other and one != other, of, self._curves_of)):
            self._curves, self._curves_of, self.drawn = {}, of, {}
        if name not in self._curves:
            x, y = statistics.known(name)
            self._curves[name] = tuple(thinned(x, values, *self.shown, width)
                                       for values in (y, smoothed(y, self.smoothing)))
            self.drawn[name] = len(self._curves[name][1][0])
        return self._curves[name]

    def _read(self, group: Group, statistics: Statistics, shown: Sequence) -> None:
        """What the curves say at the cursor, which the other plots show a line at."""
        if not implot.is_plot_hovered() or not shown:
            return
        mouse = implot.get_plot_mouse_pos().x
        found = [(words, values_at(statistics, name, mouse, self.smoothing), color) for name, words, color in shown]
        found = [(words, value, color) for words, value, color in found if value]
        if not found:
            return
        kimg = min((value[0] for _, value, _ in found), key=lambda at: abs(at - mouse))
        self._at = float(kimg)
        lines = [f"{kimg:g} kimg",
                 *(f"{words}   {charts.with_unit(value[1], group.unit)}" for words, value, _ in found)]
        self.readout = "   ".join(lines)
        plots.say(lines, ["dim"] + ["text"] * len(found))


@contextmanager
def aligned() -> Iterator[None]:
    """Plots inside are as wide as each other, whatever stands at their axes."""
    opened = implot.begin_aligned_plots("plots")
    try:
        yield
    finally:
        if opened:
            implot.end_aligned_plots()


# -- pure -------------------------------------------------------------------------------------------------------------

def groups_of(statistics: Statistics) -> tuple[Group, ...]:
    """Plots that have something to show, each with those of its curves that do; metrics come first."""
    metrics = [metric_group(name) for name in sorted(statistics.columns) if name.startswith("metric.")]
    found = [replace(group, curves=tuple(curve for curve in group.curves if statistics.says_something(curve[0])))
             for group in (*metrics, *GROUPS)]
    return tuple(replace(group, logarithmic=group.logarithmic and span(statistics, group) > 10 ** DECADES)
                 for group in found if group.curves)


def span(statistics: Statistics, group: Group) -> float:
    """The largest of its positive values, over the least."""
    values = np.concatenate([statistics.known(name)[1] for name, _ in group.curves])
    values = values[values > 0]
    return float(values.max() / values.min()) if len(values) else 1.0


def metric_group(name: str) -> Group:
    """'metric.fid50k_full' -> the plot of FID."""
    short_name = name.removeprefix("metric.")
    title, tip = next((known for key, known in METRICS.items() if short_name.startswith(key)), (short_name, ""))
    title = title if short_name.lower() == title.lower() else f"{title}, {short_name}"
    return Group(title, ((name, title),), tip or f"The metric {short_name}")


def full_range(statistics: Statistics) -> tuple[float, float]:
    low, high = float(statistics.kimg[0]), float(statistics.kimg[-1])
    margin = MARGIN * (high - low) if high > low else max(0.05 * high, 0.5)
    return low - margin, high + margin


def values_at(statistics: Statistics, name: str, kimg: float, smoothing: float) -> tuple[float, str] | None:
    """(kimg, '0.693') of the tick nearest to `kimg` where `name` is known, with what was measured if it is smoothed."""
    x, y = statistics.known(name)
    if not len(x):
        return None
    at = int(np.argmin(np.abs(x - kimg)))
    if not smoothing:
        return float(x[at]), short(float(y[at]))
    return float(x[at]), f"{short(float(smoothed(y, smoothing)[at]))}, measured {short(float(y[at]))}"


def name_axis() -> None:
    """In the corner: the plots are too low for a line of their own."""
    corner, size, words = implot.get_plot_pos(), implot.get_plot_size(), imgui.calc_text_size("kimg")
    at = ImVec2(corner.x + size.x - words.x - theme.em(0.3), corner.y + size.y - words.y - theme.em(0.1))
    implot.get_plot_draw_list().add_text(at, theme.ink("faint"), "kimg")


def faint(color):
    return type(color)(color.x, color.y, color.z, RAW)
