"""The lab's panels, one a kind of inspection: what it is, its controls, Start and Stop, and what was found so far."""
from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.controls import Controls
from gui.exports import Exporter
from gui.figures import Figures
from gui.requests import layers_of, look_at, shown_name
from renderer.inspection import KINDS, Inspection
from renderer.report import Report
from renderer.report_files import write_report
from renderer.types import RenderRequest, RenderResult

SIDES = {"A": "accent_text", "B": "warning"}         # the two networks' colours, as in the viewer
SIDE_EMS = 30.0                          # width from which two networks' figures stand side by side
SAVE = "Pictures (PNG), numbers (CSV, JSON) and the state that reproduces them, in a folder of their own"
START = "Looks into it behind the picture; what you do in the window goes first"
STOP = "Gives the estimate up; what was found stays here"


@dataclass(frozen=True, eq=False)
class Found:
    """A report, and what it answers."""
    request: RenderRequest
    report: Report


class LabPanel:
    """While it runs and is in sight, the request asks for its inspection; so only one of them runs at a time."""

    def __init__(self, kind: str, title: str, exporter: Exporter, reference: Callable[[], RenderResult | None]):
        self.kind, self.title = kind, title
        self.running = False
        self._exporter, self._reference = exporter, reference
        self._cls = KINDS[kind]
        self._settings = self._cls()
        self._controls = Controls()
        self._found: dict[str, Found] = {}           # of network A, and of B
        self._figures = {side: Figures() for side in SIDES}
        self._with_settings = True
        self._side = "A"                 # whose are shown where there is no room for both

    def take(self, inspection: Inspection) -> None:
        """Starts with these settings as soon as the panel is in sight; they make room for what is found."""
        self._settings, self.running, self._with_settings = inspection, True, False

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        if request.inspect is not None:
            self.running = isinstance(request.inspect, self._cls)
            self._settings = request.inspect if self.running else self._settings
        widgets.wrapped(purpose(self._cls), "dim")
        if not request.checkpoint.path:
            widgets.wrapped("Open a network to look into it.", "faint")
            return request
        self._receive(request, result)
        self._buttons(result)
        if self._with_settings:
            self._settings = self._controls(self._settings, layers_of(result.info) if result.info else ())
        tap = self._show(request)
        request = self._asked(request)
        chosen = next((info for info in result.info.taps if info.name == tap), None) if tap and result.info else None
        return look_at(request, chosen) if chosen else request

    def _asked(self, request: RenderRequest) -> RenderRequest:
        if self.running:
            return replace(request, inspect=self._settings)
        return replace(request, inspect=None) if isinstance(request.inspect, self._cls) else request

    # -- what was found -----------------------------------------------------------------------------------------------

    def _receive(self, request: RenderRequest, result: RenderResult) -> None:
        """Keeps the newest that has something to show; what is about another file goes."""
        other = self._reference() if request.compare and request.compare.checkpoint else None
        for side, path, answer in (("A", request.checkpoint.path, result),
                                   ("B", other.request.checkpoint.path if other else "", other)):
            known = self._found.get(side)
            if known and known.request.checkpoint.path != path:
                self._drop(side)
            news = answer.report if answer else None
            if news and news.kind == self.kind and (known is None or known.report is not news) and has_news(news):
                self._found[side] = Found(answer.request, news)

    def _drop(self, side: str) -> None:
        del self._found[side]
        self._figures[side].clear()

    def _buttons(self, result: RenderResult) -> None:
        """Start or Stop, how far it is, settings, and save all."""
        words, tip = ("Stop", STOP) if self.running else ("Start", START)
        if widgets.button(words, tip, "", theme.em(5)):
            self.running = not self.running
        imgui.same_line()
        icons = 2 * imgui.get_frame_height() + imgui.get_style().item_spacing.x
        self._progress(result, imgui.get_content_region_avail().x - icons)
        imgui.same_line()
        if widgets.icon(fonts.OPTIONS, "Settings", "Shows or hides the settings", chosen=self._with_settings):
            self._with_settings = not self._with_settings
        imgui.same_line(0, 0)
        if widgets.icon(fonts.EXPORT, "Save all", SAVE, "" if self._found else "There is nothing to save yet"):
            for found in self._found.values():
                self._exporter.save_folder(found.request, self.kind, partial(_write, found.report))

    def _progress(self, result: RenderResult, width: float) -> None:
        newest = result.report if self.running and result.report and result.report.kind == self.kind else None
        known = newest or (self._found["A"].report if "A" in self._found else None)
        share, words = progress(known, self.running)
        imgui.dummy(ImVec2(max(width, 1), imgui.get_frame_height()))
        report.mark("Progress")
        low, high, draw = imgui.get_item_rect_min(), imgui.get_item_rect_max(), imgui.get_window_draw_list()
        rounding = imgui.get_style().frame_rounding
        if self.running and words:
            end = ImVec2(low.x + share * (high.x - low.x), high.y)
            draw.add_rect_filled(low, high, theme.ink("frame"), rounding)
            draw.add_rect_filled(low, end, theme.ink("accent_low"), rounding)
        at = ImVec2(low.x + theme.em(0.4), (low.y + high.y - imgui.get_text_line_height()) / 2)
        draw.add_text(at, theme.ink("text" if self.running else "dim"), widgets.shorten(words, width - theme.em(0.8)))

    # -- figures ------------------------------------------------------------------------------------------------------

    def _show(self, request: RenderRequest) -> str | None:
        """The figures, of both networks if there are two; the layer that a click leads to."""
        with_b = "B" in self._found
        if not with_b:
            return self._one("A", request.tap)
        if imgui.get_content_region_avail().x < theme.em(SIDE_EMS):
            names = [self._name(side) for side in SIDES]
            self._side = widgets.segmented("Network", self._side, tuple(SIDES), theme.em(6), names)
            imgui.same_line()
            widgets.align()
            widgets.clipped(self._name(self._side), "dim")
            return self._one(self._side, request.tap)
        clicked = None
        with imgui_ctx.begin_table("both", 2) as table:
            for side in SIDES if table else ():
                imgui.table_next_column()
                with imgui_ctx.push_id(side), report.panel(f"{self.title} {side}"):
                    widgets.text(side, SIDES[side])
                    imgui.same_line()
                    widgets.clipped(self._name(side), "dim")
                    clicked = self._one(side, request.tap) or clicked
        return clicked

    def _name(self, side: str) -> str:
        return shown_name(self._found[side].request.checkpoint.path) if side in self._found else ""

    def _one(self, side: str, tap: str) -> str | None:
        if side not in self._found:
            return None
        found = self._found[side].report
        if found.refusal:
            widgets.wrapped(f"{found.refusal[:1].upper()}{found.refusal[1:]}", "warning")
            report.mark("Refusal")
        for index, remark in enumerate(found.remarks):
            widgets.wrapped(remark, "dim" if index else "text")
            report.mark("Caveat" if index else "Conclusion")
        return self._figures[side].draw(found, tap)

    def close(self) -> None:
        for figures in self._figures.values():
            figures.clear()


def _write(found: Report, folder: Path, request: RenderRequest) -> None:
    write_report(folder, found, request)


# -- pure -------------------------------------------------------------------------------------------------------------

def purpose(cls: type) -> str:
    """The sentence that its class begins with."""
    return inspect.getdoc(cls).partition("\n\n")[0].replace("\n", " ")


def has_news(found: Report) -> bool:
    """Whether it can take the place of an older report; one that has just begun often shows nothing yet."""
    return bool(found.figures or found.refusal or found.complete)


def progress(found: Report | None, running: bool) -> tuple[float, str]:
    """How far it is, 0..1, and in words."""
    if found is None or found.refusal:
        return 0.0, "Begins with the picture" if running and found is None else ""
    counted = f"{found.done} of {found.total}" if found.total else "All of it is known at once"
    if found.complete:
        return 1.0, f"{counted}: done" if found.total else counted
    return found.done / found.total, counted if running else f"Stopped at {counted}"
