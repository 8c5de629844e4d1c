"""The channel panel: how the chosen tap becomes a picture, and its statistics."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from imgui_bundle import imgui

from gui import colorbar, fonts, levels, report, theme, widgets
from gui.commands import Command
from gui.histogram import Histogram
from gui.jobs import Jobs
from gui.preferences import Switch
from gui.requests import IMAGE
from gui.words import percent, short
from renderer.types import RenderRequest, RenderResult, TapInfo, TapStats, View

MODES = {                                # what is shown: mode, and its name
    "rgb": ("RGB", "Three channels as red, green and blue"),
    "channel": ("Channel", "One channel through a colormap"),
    "mean": ("Mean", "The mean over all channels of every pixel, through a colormap"),
    "rms": ("RMS", "The root of the mean square over all channels: where the signal is strong, whatever its sign"),
    "pca": ("PCA", "The three directions in which the pixels' channels differ most, as red, green and blue "
                   "(principal component analysis)"),
    "sheet": ("Sheet", "All channels side by side"),
}
RANGES = {
    "fixed": "Values are shown as they are: -1 is the least colour, 1 the largest",
    "symmetric": "Divided by the largest magnitude shown, so that any layer fills -1 to 1 and zero stays in the middle",
    "min-max": "The least value shown becomes -1, the largest 1",
    "each": "As symmetric, but every channel by itself: weak ones become visible, their strengths don't compare",
}
GAIN = "Multiplies the signal before it is shown: +6 dB doubles it"
OFFSET = "Is added after the gain; what is shown runs from -1 to 1"
AUTO = ("Fills the range with the values between the 0.5 % and the 99.5 % quantile of the histogram; the mean over "
        "channels, RMS and PCA with their least to largest value")
LOGARITHMIC = "Bars by the logarithm of their counts: rare values show too"
ORDER = "Of the channels in the sheet: by number, or the strongest (largest energy, the sum of squares) first"
DEFAULT = View()


class ChannelPanel:
    title = "Channel"

    def __init__(self, jobs: Jobs, change: Callable[[Callable[[RenderRequest], RenderRequest]], None]):
        """`change(how)`: lets the request become what `how` makes of it, from any thread."""
        self._jobs, self._change = jobs, change
        self._histogram = Histogram()
        self.switches = (Switch(self._histogram, "logarithmic"),)
        self.commands = (
            Command("Next channel", lambda q, r: stepped_channel(q, r, 1), ".", "View", 3, why_not=_nothing_open),
            Command("Previous channel", lambda q, r: stepped_channel(q, r, -1), ",", "View", 3, why_not=_nothing_open),
            Command("Strongest channel", lambda q, r: self._find_strongest(r), "", "View", 3, why_not=_no_values),
            Command("Auto range", auto_ranged, "", "View", 3, why_not=_no_values),
        )

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        tap = tap_of(request, result)
        if tap is None or not request.checkpoint.path:
            widgets.text("How a layer is shown, and its statistics.", "faint")
            return request
        stats = result.stats if result.stats is not None and result.stats.name == request.tap else None
        view = self._picture(request.view, tap, result, stats)
        if stats is not None:
            view = self._statistics(view, stats, result)
        return replace(request, view=view)

    # -- the picture --------------------------------------------------------------------------------------------------

    def _picture(self, view: View, tap: TapInfo, result: RenderResult, stats: TapStats | None) -> View:
        names = [name for name, _ in MODES.values()]
        shown = widgets.segmented("Show", MODES[view.mode][0], names, imgui.get_content_region_avail().x,
                                  [tip for _, tip in MODES.values()])
        view = replace(view, mode=next(mode for mode, (name, _) in MODES.items() if name == shown))
        if view.mode == "rgb":
            view = replace(view, channels=_three(view.channels, tap.shape[0]))
        elif view.mode == "channel":
            view = self._one(view, tap.shape[0], result)
        elif view.mode == "sheet":
            view = replace(view, order=widgets.segments("Order", view.order, ("index", "energy"), DEFAULT.order, ORDER))
        if view.mode not in ("rgb", "pca"):
            view = replace(view, colormap=colorbar.menu("Colormap", view.colormap, DEFAULT.colormap))
        view = _range(view, stats, "fixed" if tap.name == IMAGE else "symmetric")
        gain = widgets.slider("Gain", view.gain_db, -60.0, 60.0, 0.0, "%+.1f dB", GAIN)
        offset = widgets.slider("Offset", view.offset, -2.0, 2.0, 0.0, "%+.2f", OFFSET)
        return replace(view, gain_db=gain, offset=offset)

    def _one(self, view: View, count: int, result: RenderResult) -> View:
        """The channel: slider, a step down and up, and the strongest one."""
        tip, room = "Ctrl+click to type; , and . step through them", -3 * imgui.get_frame_height()
        with widgets.row("Channel", tip, view.channel != 0, width=room) as line:
            channel = widgets.int_bar("Channel", view.channel, 0, count - 1, f"%d of {count}")
        for glyph, step, name, tip in ((fonts.PREVIOUS, -1, "Previous channel", "Previous channel (,)"),
                                       (fonts.NEXT, 1, "Next channel", "Next channel (.)")):
            imgui.same_line(0, 0)
            why_not = "" if 0 <= channel + step < count else "There is no further channel"
            if widgets.icon(glyph, name, tip, why_not):
                channel += step
        imgui.same_line(0, 0)
        if widgets.icon(fonts.STRONGEST, "Strongest channel", "To the channel with the largest energy, the sum of its "
                        "squares", "" if result.values is not None else "The layer's values are not here yet"):
            self._find_strongest(result)
        return replace(view, channel=0 if line.reset else channel)

    def _find_strongest(self, result: RenderResult) -> None:
        values, tap = result.values, result.request.tap

        def job() -> None:
            channel = strongest(values)
            self._change(lambda request: _showing(request, channel) if request.tap == tap else request)
        self._jobs.run("find the strongest channel", job)

    # -- statistics ---------------------------------------------------------------------------------------------------

    def _statistics(self, view: View, stats: TapStats, result: RenderResult) -> View:
        right = imgui.get_cursor_pos_x() + imgui.get_content_region_avail().x
        channels, height, width = stats.shape
        widgets.section(f"{channels} × {width} × {height}  {stats.dtype}")
        widgets.hint("Channels × width × height and precision; the statistics are of all values of all channels")
        imgui.same_line(right - theme.em(1.9))
        if widgets.small_toggle("log", self._histogram.logarithmic, LOGARITHMIC, "Logarithmic"):
            self._histogram.logarithmic = not self._histogram.logarithmic
        if stats.histogram:
            why_not = "Components have a scale of their own" if view.mode == "pca" else (
                "Every channel has a range of its own" if view.range == "each" else "")
            scale = None if view.mode == "pca" else levels.shown_scale(result, view)
            view = self._histogram(stats, view, scale, "grey" if view.mode == "rgb" else view.colormap, why_not)
        _facts(stats)
        return view


def _range(view: View, stats: TapStats | None, default: str) -> View:
    """What is mapped to the ends of the colours, and the button that chooses it by itself."""
    names = {"minmax": "min-max"}
    several = view.mode in ("rgb", "pca", "sheet") or view.range == "each"
    options = [name for name in RANGES if name != "each" or several]
    shown, width, gap = names.get(view.range, view.range), theme.em(2.8), imgui.get_style().item_inner_spacing.x
    with widgets.row("Range", RANGES[shown], view.range != default, width=-(width + gap)) as line:
        chosen = widgets.drop_down("Range", shown, options, [RANGES[option] for option in options])
    imgui.same_line(0, gap)
    auto = widgets.button("Auto", AUTO, "" if stats is not None else "The layer's values are not here yet", width)
    view = replace(view, range=default if line.reset else chosen.replace("-", ""))
    return levels.auto(view, stats) if auto else view


def _three(channels: tuple[int, int, int], count: int) -> tuple[int, int, int]:
    default = DEFAULT.channels
    with widgets.row("Channels", "Shown as red, green and blue", channels != default) as line:
        gap = theme.em(0.25)
        width = (imgui.calc_item_width() - 2 * gap) / 3
        values = []
        for index, (letter, value) in enumerate(zip("RGB", channels)):
            if index:
                imgui.same_line(0, gap)
            imgui.set_next_item_width(width)
            value = widgets.whole(value, *imgui.drag_int(
                f"##{letter}", widgets.in_32_bits(value), 0.1, 0, count - 1, f"{letter} %d",
                imgui.SliderFlags_.always_clamp))
            report.mark(letter)
            values.append(value)
    return default if line.reset else tuple(values)


def _facts(stats: TapStats) -> None:
    """Two by two; what should not be is coloured as a warning."""
    clamped = "no clamp" if stats.clamped is None else percent(stats.clamped)
    facts = (
        ("Std", short(stats.std), "Standard deviation", False),
        ("Largest", short(stats.absmax), "Largest magnitude", False),
        ("Clamped", clamped, "Share of values at the magnitude that the layer clamps its result to", stats.clamped),
        ("Non-finite", percent(stats.nonfinite), "Share of values that are infinite or not a number: magenta in "
         "pictures", stats.nonfinite))
    start, width = imgui.get_cursor_pos_x(), imgui.get_content_region_avail().x
    for index, (name, value, tip, warns) in enumerate(facts):
        if index % 2:
            imgui.same_line(start + width / 2)
        widgets.fact(name, value, tip, "warning" if warns else "text", label=theme.em(4.6), room=width / 2)


def _nothing_open(request: RenderRequest, result: RenderResult) -> str:
    return "" if tap_of(request, result) else "Open a network first"


def _no_values(request: RenderRequest, result: RenderResult) -> str:
    return "" if result.values is not None and result.stats is not None else "There is no single layer to measure"


def auto_ranged(request: RenderRequest, result: RenderResult) -> RenderRequest:
    return replace(request, view=levels.auto(request.view, result.stats))


def tap_of(request: RenderRequest, result: RenderResult) -> TapInfo | None:
    return next((tap for tap in result.info.taps if tap.name == request.tap), None) if result.info else None


def stepped_channel(request: RenderRequest, result: RenderResult, step: int) -> RenderRequest:
    """One channel further; from another mode, the channel looked at last."""
    tap, view = tap_of(request, result), request.view
    if tap is None:
        return request
    channel = view.channel + step if view.mode == "channel" else view.channel
    return _showing(request, min(max(channel, 0), tap.shape[0] - 1))


def _showing(request: RenderRequest, channel: int) -> RenderRequest:
    return replace(request, view=replace(request.view, mode="channel", channel=channel))


def strongest(values: np.ndarray) -> int:
    """The channel of [C, H, W] with the largest sum of squares; what is not finite counts nothing."""
    def energy(channel: np.ndarray) -> float:
        finite = np.where(np.isfinite(channel), channel, 0).astype(np.float64)
        return float(np.vdot(finite, finite))
    return int(np.argmax([energy(channel) for channel in values]))
