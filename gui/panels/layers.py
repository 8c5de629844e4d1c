"""The layers panel: every tap of the network at a glance, or by name alone; a click shows it in the viewer."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.atlas import Atlas
from gui.plots import Derived
from gui.preferences import Switch
from gui.requests import look_at
from gui.sparkline import Range, Sparklines, level_range
from renderer.types import RenderRequest, RenderResult, TapInfo, TapSummary

STEPS = {                                # what the last part of a tap's name means (inspection.md "Activations")
    "image": "the image so far",
    "const": "the learned constant (StyleGAN sec. 2)",
    "input": "the Fourier features (StyleGAN3 sec. 3)",
    "conv": "after the convolution, modulated and demodulated from StyleGAN2 on (StyleGAN2 sec. 2.2)",
    "noise": "after the noise (StyleGAN sec. 3.2)",
    "act": "after the activation",
    "norm": "after instance normalisation (StyleGAN sec. 2)",
    "style": "the style (StyleGAN sec. 2): StyleGAN1, what it scaled and shifted; StyleGAN2, its scales",
    "up": "upsampled, before the activation (StyleGAN3 sec. 2, fig. 4)",
    "out": "the layer's result",
    "torgb": "this resolution's contribution to the image (StyleGAN2 sec. 4.1)",
}
PEAK = 50.0                              # marked above: noise in four channels stays below 11 even over 1024² pixels
FEW = 3                                  # channels: pictures, in which dark pixels make any peak look high
MARKS = (f"Marked: values that are not finite, or one place with over {PEAK:g} times the energy of the median pixel in "
         f"more than {FEW} channels, as droplets have (StyleGAN2 sec. 2). Noise alone stays below 11.")
SIDE, COLUMNS = 64, 16                   # of the atlas
TALL, FLAT = 2.9, 1.45                   # ems: height of a row of the strip, of one with a name alone
SMALL = 0.8                              # times the font: words over a curve
STALE = 0.4                              # opacity of what is still of the picture before


class LayersPanel:
    """While it shows the strip, every tap is summarised."""
    title = "Layers"

    def __init__(self):
        self._filter, self._compact = "", False
        self.switches = (Switch(self, "_compact"),)
        self._seen = ""                  # the tap that was last scrolled into view
        self._atlas, self._lines = Atlas(SIDE, COLUMNS), Sparklines()
        self._strip: tuple[TapSummary, ...] = ()             # the latest, of `_of`
        self._of: tuple = ()                                 # the network
        self._levels, self._by_name = Derived(level_range), Derived(_named)
        self._marked, self._matching = Derived(_marked), Derived(_matching)
        self.claims: tuple[str, ...] = ()                    # keys that mean this panel now

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        self.claims = ()
        info = result.info
        if info is None or not request.checkpoint.path:
            widgets.text("The network's layers appear here.", "faint")
            return request
        if not self._compact:
            request = replace(request, strip=True)
        self._keep(request, result)
        summaries = self._by_name(self._strip)
        request = self._head(request, self._marked(info.taps, self._strip))
        taps = self._matching(info.taps, self._filter)
        if not taps:
            widgets.wrapped(f"No layer's name has “{self._filter.strip()}” in it.", "faint")
        picked = self._list(taps, request.tap, summaries, len(result.strip) == 0)
        return request if picked is None else look_at(request, picked)

    def _keep(self, request: RenderRequest, result: RenderResult) -> None:
        """Holds on to the latest strip of this network: a mixing table has none, yet the layers stay in sight."""
        network = request.checkpoint.path, request.checkpoint.network, result.info.taps
        if self._of != network:
            self._of, self._strip = network, ()
        if result.strip:
            self._strip = result.strip

    # -- above the list -----------------------------------------------------------------------------------------------

    def _head(self, request: RenderRequest, marked: list[TapInfo]) -> RenderRequest:
        sign = f"{fonts.WARNING} {len(marked)}" if marked else fonts.WARNING
        shown = (fonts.LIST,) if self._compact else (sign, fonts.LIST)
        imgui.set_next_item_width(-sum(map(_button_width, shown)))
        edited, self._filter = imgui.input_text_with_hint("##filter", f"{fonts.FILTER}  Filter by name", self._filter)
        if edited:
            self._seen = ""              # what is looked at may be elsewhere in the list
        report.mark("Filter")
        widgets.hint("Parts of names, as in “b64 act”: all of them must be there")
        if not self._compact:
            imgui.same_line()
            why_not = "" if marked else f"No layer is marked.\n{MARKS}"
            if widgets.button(sign, f"To the next marked layer.\n{MARKS}", why_not, name="Next marked"):
                request = look_at(request, _after(marked, request))
        imgui.same_line()
        if widgets.button(fonts.LIST, "Names alone: the layers' pictures and spectra are not computed then",
                          name="Compact", chosen=self._compact):
            self._compact = not self._compact
        return request

    # -- the list -----------------------------------------------------------------------------------------------------

    def _list(self, taps: Sequence[TapInfo], chosen: str, summaries: dict[str, TapSummary], stale: bool,
              ) -> TapInfo | None:
        """The tap that was clicked, or stepped to."""
        at, room = imgui.get_cursor_screen_pos(), imgui.get_content_region_avail()
        report.mark_rectangle("List", at.x, at.y, at.x + room.x, at.y + room.y)
        height, picked = theme.em(FLAT if self._compact else TALL), None
        with imgui_ctx.begin_child("taps"), imgui_ctx.push_style_var(imgui.StyleVar_.item_spacing, ImVec2(0, 0)):
            stepped = self._step(taps, chosen)
            self._follow([tap.name for tap in taps], (stepped.name if stepped else chosen), height)
            levels = self._levels(self._strip)
            clipper = imgui.ListClipper()
            clipper.begin(len(taps), height)
            while clipper.step():
                for tap in taps[clipper.display_start:clipper.display_end]:
                    if self._row(tap, tap.name == chosen, height, summaries.get(tap.name), levels, stale):
                        picked = tap
        return stepped or picked

    def _step(self, taps: Sequence[TapInfo], chosen: str) -> TapInfo | None:
        """The neighbour that an arrow key asks for while this panel has the focus."""
        if not taps or not imgui.is_window_focused(imgui.FocusedFlags_.root_and_child_windows):
            return None
        self.claims = "Up", "Down"
        way = imgui.is_key_pressed(imgui.Key.down_arrow) - imgui.is_key_pressed(imgui.Key.up_arrow)
        names = [tap.name for tap in taps]
        here = names.index(chosen) if chosen in names else -1 if way > 0 else len(taps)
        return taps[min(max(here + way, 0), len(taps) - 1)] if way else None

    def _follow(self, names: list[str], chosen: str, height: float) -> None:
        """Scrolls to what is looked at, when that is another."""
        if chosen == self._seen or chosen not in names:
            return
        self._seen = chosen
        top, room = names.index(chosen) * height, imgui.get_window_height()
        if not imgui.get_scroll_y() <= top <= imgui.get_scroll_y() + room - height:
            imgui.set_scroll_y(top - (room - height) / 2)

    def _row(self, tap: TapInfo, chosen: bool, height: float, summary: TapSummary | None, levels: Range, stale: bool,
             ) -> bool:
        low, width = imgui.get_cursor_screen_pos(), imgui.get_content_region_avail().x
        pressed = imgui.selectable(f"##{tap.name}", chosen, 0, ImVec2(width, height))[0]
        report.mark(tap.name)
        shown = None if self._compact else summary
        widgets.hint("\n".join([explained(tap), *(_numbers(tap, shown) if shown else ())]))
        with report.panel(f"{self.title}/{tap.name}"):
            if self._compact:
                self._line(tap, low, width, height)
            else:
                self._cells(tap, low, width, height, summary, levels, stale)
        return pressed

    def _line(self, tap: TapInfo, low: ImVec2, width: float, height: float) -> None:
        words = _size_of(tap)
        top = low.y + (height - imgui.get_text_line_height()) / 2
        right = low.x + width - imgui.calc_text_size(words).x - theme.em(0.4)
        _name(tap.name, low.x + theme.em(0.4), top, right - low.x - theme.em(0.8), 1.0)
        imgui.get_window_draw_list().add_text(ImVec2(right, top), theme.ink("dim"), words)

    def _cells(self, tap: TapInfo, low: ImVec2, width: float, height: float, summary: TapSummary | None,
               levels: Range, stale: bool) -> None:
        """Picture; name above size; curve, with what is wrong over it."""
        draw, line = imgui.get_window_draw_list(), imgui.get_text_line_height()
        pad, alpha = theme.em(0.2), STALE if stale or summary is None or not summary.current else 1.0
        side, wide = height - 2 * pad, min(5.2 * theme.em(), 0.36 * width)
        corner = ImVec2(round(low.x + pad), round(low.y + pad))
        draw.add_rect_filled(corner, ImVec2(corner.x + side, corner.y + side), theme.ink("backdrop", alpha))
        curve = ImVec2(low.x + width - wide - pad, corner.y)
        if summary is not None:
            self._atlas.draw(draw, summary.picture, corner.x, corner.y, side, alpha)
            report.mark_rectangle("Picture", corner.x, corner.y, corner.x + side, corner.y + side)
            if len(summary.frequencies) > 1:
                self._lines.draw(draw, summary, tap, levels, curve, ImVec2(wide, side), alpha)
            self._badges(tap, summary, curve, wide, alpha)
        left, top = corner.x + side + theme.em(0.5), low.y + height / 2 - line
        _name(tap.name, left, top, curve.x - left - theme.em(0.3), 1.0 if alpha == 1 else 0.7)
        draw.add_text(ImVec2(left, top + line), theme.ink("faint" if alpha < 1 else "dim"), _size_of(tap))

    def _badges(self, tap: TapInfo, summary: TapSummary, at: ImVec2, wide: float, alpha: float) -> None:
        """Over the curve: one line of words, the worst first, and the sign of a marked layer."""
        words, color = "", "warning"
        if summary.nonfinite:
            words, color = f"{share(summary.nonfinite)} bad", "error"
        elif mark_of(tap, summary):
            words = f"peak {_factor(summary.peak)}"
        elif summary.clamped:
            words = f"{share(summary.clamped)} clamped"
        if not words:
            return
        if mark_of(tap, summary):
            words = f"{fonts.WARNING} {words}"
            report.mark_rectangle("Marked", at.x, at.y, at.x + wide, at.y + theme.em())
        draw = imgui.get_window_draw_list()
        with imgui_ctx.push_font(None, SMALL * theme.FONT_SIZE):
            size = imgui.calc_text_size(words)
            left = at.x + max(wide - size.x - theme.em(0.2), 0)
            high = ImVec2(at.x + wide, at.y + size.y)
            draw.add_rect_filled(ImVec2(left - 1, at.y), high, theme.ink("backdrop", 0.75))
            draw.add_text(ImVec2(left, at.y), theme.ink(color, alpha), words)

    def close(self) -> None:
        self._atlas.close()


def _button_width(words: str) -> float:
    """Of a button beside others."""
    style = imgui.get_style()
    return imgui.calc_text_size(words).x + 2 * style.frame_padding.x + style.item_spacing.x


# -- words ------------------------------------------------------------------------------------------------------------

def matches(name: str, words: str) -> bool:
    """Whether every one of the words is part of the name."""
    return all(word in name.lower() for word in words.lower().split())


def _matching(taps: Sequence[TapInfo], words: str) -> list[TapInfo]:
    return [tap for tap in taps if matches(tap.name, words)]


def mark_of(tap: TapInfo, summary: TapSummary) -> bool:
    """Whether something may be wrong here: see MARKS."""
    return summary.nonfinite > 0 or tap.shape[0] > FEW and summary.peak > PEAK


def _marked(taps: Sequence[TapInfo], strip: tuple[TapSummary, ...]) -> list[TapInfo]:
    summaries = _named(strip)
    return [tap for tap in taps if tap.name in summaries and mark_of(tap, summaries[tap.name])]


def _after(marked: list[TapInfo], request: RenderRequest) -> TapInfo:
    """The marked tap that follows the one looked at; after the last one the first."""
    names = [tap.name for tap in marked]
    return marked[(names.index(request.tap) + 1) % len(marked)] if request.tap in names else marked[0]


def _named(strip: tuple[TapSummary, ...]) -> dict[str, TapSummary]:
    return {summary.name: summary for summary in strip}


def _name(name: str, x: float, y: float, room: float, alpha: float) -> None:
    draw, (head, dot, _) = imgui.get_window_draw_list(), name.rpartition(".")
    short = widgets.shorten(name, room)
    head = short[:len(head + dot)]
    draw.add_text(ImVec2(x, y), theme.ink("dim", alpha), head)
    draw.add_text(ImVec2(x + imgui.calc_text_size(head).x, y), theme.ink("text", alpha), short[len(head):])


def _size_of(tap: TapInfo) -> str:
    channels, height, width = tap.shape
    return f"{width} × {height} × {channels}"


def share(value: float) -> str:
    """A share as people read it: '3.2 %', never a zero that is none."""
    percent = 100 * value
    return "<0.01 %" if 0 < percent < 0.01 else f"{percent:.2g} %" if percent < 99.5 else f"{percent:.0f} %"


def _factor(peak: float) -> str:
    return "∞" if peak == float("inf") else f"{peak:.0f}×" if peak < 1e4 else f"{peak:.0e}×".replace("e+0", "e")


def explained(tap: TapInfo) -> str:
    channels, height, width = tap.shape
    step = STEPS.get(tap.name.rpartition(".")[2], "")
    lines = [f"{tap.name}: {step}" if step else tap.name, f"{channels} channels of {width} × {height}"]
    if tap.w_row is not None:
        lines.append(f"w row {tap.w_row}")
    if tap.cutoff is not None:
        lines.append(f"rate {tap.rate:g}, cutoff {tap.cutoff:.4g}, stopband {tap.stopband or 0:.4g} cycles per image")
    return "\n".join(lines)


def _numbers(tap: TapInfo, summary: TapSummary) -> list[str]:
    lines = [""] if summary.current else ["", "Still of the picture before"]
    lines += [f"RMS over all channels and pixels: {summary.rms:.4g}",
              f"Peak, the largest over the median energy of a pixel: {summary.peak:.4g}",
              f"Not finite: {share(summary.nonfinite) if summary.nonfinite else 'none'}"]
    if summary.clamped is not None:
        lines.append(f"At the layer's clamp: {share(summary.clamped) if summary.clamped else 'none'}")
    if len(summary.frequencies) > 1:
        lines.append("Curve: radial spectrum from 0 to Nyquist, all layers on one scale of dB, a line at the mean"
                     + (" and at the cutoff" if tap.cutoff is not None else ""))
    return lines + ([MARKS] if mark_of(tap, summary) else [])
