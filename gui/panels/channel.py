"""The channel panel: how the chosen tap becomes a picture, and its statistics."""
from __future__ import annotations

from dataclasses import replace

from imgui_bundle import ImVec2, imgui

from gui import report, theme, widgets
from gui.words import percent, short
from renderer.types import COLORMAPS, RenderRequest, RenderResult, TapStats, View

GAIN = "Multiplies the signal before it is shown: +6 dB doubles it"
NORMALIZE = "Divides by the largest magnitude shown, so that any layer fills the range -1 to 1"
DEFAULT = View()


class ChannelPanel:
    title = "Channel"

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        tap = next((t for t in result.info.taps if t.name == request.tap), None) if result.info else None
        if tap is None or not request.checkpoint.path:
            widgets.text("How a layer is shown, and its statistics.", "faint")
            return request
        view = _picture(request.view, tap.shape[0])
        if result.stats is not None and result.stats.name == request.tap:
            _statistics(result.stats)
        return replace(request, view=view)


def _picture(view: View, count: int) -> View:
    modes = {"RGB": "rgb", "Channel": "channel"}
    shown = next(name for name, mode in modes.items() if mode == view.mode)
    mode = modes[widgets.segments("Show", shown, tuple(modes), "RGB",
                                  "Three channels as red, green and blue, or one channel through a colormap")]
    channel, channels, colormap = view.channel, view.channels, view.colormap
    if mode == "channel":
        channel = widgets.int_slider("Channel", channel, 0, count - 1, 0, f"%d of {count}", "Ctrl+click to type")
        colormap = widgets.menu("Colormap", colormap, COLORMAPS, DEFAULT.colormap)
    else:
        channels = _three(channels, count)
    gain = widgets.slider("Gain", view.gain_db, -40.0, 40.0, 0.0, "%+.1f dB", GAIN)
    normalize = widgets.toggle("Normalise", view.range == "symmetric", False, NORMALIZE)
    return replace(view, mode=mode, channel=channel, channels=channels, colormap=colormap, gain_db=gain,
                   range="symmetric" if normalize else "fixed")


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
            _, value = imgui.drag_int(f"##{letter}", min(value, max(count - 1, value)), 0.1, 0, count - 1,
                                      f"{letter} %d", imgui.SliderFlags_.always_clamp)
            report.mark(letter)
            values.append(value)
    return default if line.reset else tuple(values)


def _statistics(stats: TapStats) -> None:
    widgets.section("Statistics of all channels")
    channels, height, width = stats.shape
    widgets.fact("Signal", f"{channels} × {width} × {height}   {stats.dtype}")
    if stats.histogram:
        _histogram(stats)
    widgets.fact("Mean, std", f"{short(stats.mean)}   ± {short(stats.std)}")
    widgets.fact("Range", f"{short(stats.minimum)} … {short(stats.maximum)}")
    widgets.fact("Largest", f"|x| {short(stats.absmax)}")
    if stats.nonfinite or stats.clamped is not None:
        clamped = "no clamp" if stats.clamped is None else percent(stats.clamped)
        widgets.fact("Clamped", clamped, "Share of values at the layer's clamp")
        widgets.fact("Non-finite", percent(stats.nonfinite), "Share of values that are infinite or not a number")


def _histogram(stats: TapStats) -> None:
    size = ImVec2(imgui.get_content_region_avail().x, theme.em(3.2))
    imgui.invisible_button("histogram", size)
    report.mark("Histogram")
    widgets.hint(f"Values from {short(stats.minimum)} to {short(stats.maximum)}")
    low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
    draw = imgui.get_window_draw_list()
    draw.add_rect_filled(low, high, theme.ink("backdrop"), theme.em(0.2))
    peak, step = max(stats.histogram) or 1, size.x / len(stats.histogram)
    for index, count in enumerate(stats.histogram):
        top = high.y - (size.y - theme.em(0.2)) * count / peak
        left = low.x + index * step
        draw.add_rect_filled(ImVec2(left, top), ImVec2(left + max(step - 1, 1), high.y), theme.ink("dim"))
    if stats.minimum < 0 < stats.maximum:
        zero = low.x + size.x * -stats.minimum / (stats.maximum - stats.minimum)
        draw.add_line(ImVec2(zero, low.y), ImVec2(zero, high.y), theme.ink("accent"))
