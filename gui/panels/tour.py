"""The tour's panel: a list of the papers' figures, one click each."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import report, theme, widgets
from gui.tour import STOPS, Stop
from renderer.inspection import Inspection
from renderer.types import RenderRequest, RenderResult

INTRODUCTION = "The three papers' figures on the network that is open, one click each."


class TourPanel:
    title = "Tour"

    def __init__(self, take: Callable[[Inspection], None]):
        self._take = take
        self._at: Stop | None = None

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        at = next((stop for stop in STOPS if stop.inspection == request.inspect), None)
        reasons = {stop.title: stop.why_not(result.info) for stop in STOPS}
        widgets.wrapped(INTRODUCTION, "dim")
        wanted = self._step(at, reasons)
        with imgui_ctx.begin_child("stops"):
            for stop in STOPS:
                if _row(stop, stop is at, reasons[stop.title]):
                    wanted = stop
                if stop is at is not self._at:
                    imgui.set_scroll_here_y(0.0)         # it may have been reached by Next
        report.mark("Stops")
        self._at = at
        if wanted is None:
            return request
        self._take(wanted.inspection)
        return replace(request, inspect=None)        # its panel asks for it

    @staticmethod
    def _step(at: Stop | None, reasons: dict[str, str]) -> Stop | None:
        """To the stop before and after, of those that the network has: the one to go to."""
        open_stops = [stop for stop in STOPS if not reasons[stop.title]]
        index = open_stops.index(at) if at in open_stops else -1
        wanted = None
        nobody = "Open a network first" if not open_stops else ""
        if widgets.button("Back", "The stop before", nobody or ("" if index > 0 else "This is the first stop")):
            wanted = open_stops[index - 1]
        imgui.same_line()
        is_last = index == len(open_stops) - 1
        words = "Next" if index >= 0 else "Begin"
        if widgets.button(words, "The stop after", nobody or ("This is the last stop" if is_last else "")):
            wanted = open_stops[index + 1]
        if index >= 0:
            imgui.same_line()
            widgets.align()
            widgets.text(f"{index + 1} of {len(open_stops)}", "dim")
        return wanted


def _row(stop: Stop, current: bool, reason: str) -> bool:
    """One stop: its title, where the paper has it, and its sentence. Whether it was clicked."""
    width, pad = imgui.get_content_region_avail().x, theme.em(0.4)
    start, line = imgui.get_cursor_screen_pos(), imgui.get_text_line_height()
    text_width = width - 2 * pad
    sentence = imgui.calc_text_size(stop.sentence, wrap_width=text_width).y
    height = 2 * pad + 2 * line + sentence + theme.em(0.3)
    with widgets.disabled(reason):
        clicked = imgui.selectable(f"##{stop.title}", current, 0, ImVec2(width, height))[0]
    report.mark(stop.title)
    widgets.hint(reason)
    inks = ("faint",) * 3 if reason else ("accent_text" if current else "text", "faint", "dim")
    draw, font, size = imgui.get_window_draw_list(), imgui.get_font(), imgui.get_font_size()
    for words, ink, down in ((stop.title, inks[0], 0.0), (stop.source, inks[1], line),
                             (stop.sentence, inks[2], 2 * line + theme.em(0.3))):
        at = ImVec2(start.x + pad, start.y + pad + down)
        draw.add_text(font, size, at, theme.ink(ink), words, wrap_width=text_width)
    return clicked
