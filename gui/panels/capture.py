"""The capture panel: saves pictures, comparisons, the window and its panels as PNG, with the state inside."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from imgui_bundle import imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.commands import Command
from gui.requests import IMAGE, of_image, of_table, seed_of
from gui.saving import Place, Saver
from gui.seedgrid import grid_from
from renderer.types import MixTable, RenderRequest, RenderResult

GRID = 4, 4                              # columns and rows of a grid that was not set up
LEAST_EMS = 5.4                          # width of a button
TABLE = "The table of Style mixing as one picture, at full resolution"
SEEDS = "The grid of seeds as one picture; if none is shown, sixteen from the seed looked at on"
COMPARISON = "Both pictures as Compare shows them, at the networks' resolution; flipped ones side by side"


class CapturePanel:
    title = "Capture"

    def __init__(self, saver: Saver, choose_folder: Callable[[], None],
                 table: Callable[[RenderRequest, RenderResult], MixTable | None],
                 reference: Callable[[], RenderResult | None], titles: Callable[[], Sequence[str]]):
        """`titles`: of the panels that are not hidden."""
        self._saver, self._choose_folder, self._table = saver, choose_folder, table
        self._reference, self._titles = reference, titles
        self.commands = (
            Command("Save comparison", self._save_comparison, "", "File", 1, why_not=self._no_comparison),
            Command("Show the pictures' folder", lambda q, r: saver.show_folder(), "", "File", 1),
        )

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        nothing = "" if result.info else "Open a network first"
        table, render, button = self._table(request, result), self._saver.render, Buttons()
        if button("Image", "The network's picture at its own resolution", nothing):
            render(of_image(request))
        no_layer = nothing or ("" if request.tap != IMAGE else "Choose one in Layers first")
        if button("Layer", "The layer looked at, as it is shown", no_layer):
            render(replace(request, table=None, seeds=None))
        if button("Comparison", COMPARISON, self._no_comparison(request, result)):
            self._save_comparison(request, result)
        no_table = nothing or ("" if table else "Its seeds can't be read")
        if button("Table", TABLE, no_table, "Mixing table"):
            render(replace(request if request.table else of_table(request, table), seeds=None))
        if button("Seeds", SEEDS, nothing, "Seed grid"):
            seeds = request.seeds or grid_from(seed_of(request.latent), *GRID)
            render(replace(request, table=None, seeds=seeds))
        if button("Window…", "The window or one of its panels, as it looks now", "", "Window"):
            imgui.open_popup("window")
        self._window()
        self._folder()
        return request

    # -- comparison ---------------------------------------------------------------------------------------------------

    def _no_comparison(self, request: RenderRequest, result: RenderResult) -> str:
        other = self._reference()
        if request.compare is None:
            return "Pin a picture (P) or choose a second network in Compare first"
        return "" if other is not None and other.picture is not None and result.picture is not None else (
            "The reference is not there yet")

    def _save_comparison(self, request: RenderRequest, result: RenderResult) -> None:
        self._saver.save_comparison(result, self._reference(), request.compare)

    def save_shown(self, request: RenderRequest, result: RenderResult) -> None:
        """What the viewer shows: the comparison, if there is one."""
        if self._no_comparison(request, result):
            self._saver.save_shown(result)
        else:
            self._save_comparison(request, result)

    # -- window and folder --------------------------------------------------------------------------------------------

    def _window(self) -> None:
        with imgui_ctx.begin_popup("window") as popup:
            if not popup:
                return
            if imgui.menu_item_simple("Whole window"):
                self._saver.save_window()
            report.mark("Whole window")
            imgui.separator()
            for title in self._titles():
                place = place_of(title)
                if imgui.menu_item(title, "", False, place is not None)[0]:
                    self._saver.save_window(title, place)
                report.mark(f"Save {title}")
                widgets.hint("" if place else "Behind another tab: bring it to the front first")

    def _folder(self) -> None:
        if widgets.icon(fonts.FOLDER, "Show folder", "Shows the folder in the system's file manager"):
            self._saver.show_folder()
        imgui.same_line(0, 0)
        if widgets.icon(fonts.MORE, "Folder", "Choose another folder for pictures"):
            self._choose_folder()
        imgui.same_line()
        widgets.align()
        widgets.clipped(str(self._saver.folder()), "dim", from_end=True)


class Buttons:
    """As many to a line as the panel has room for."""

    def __init__(self):
        self._columns = 3 if widgets.even_width(3) >= theme.em(LEAST_EMS) else 2
        self._width, self._count = widgets.even_width(self._columns), 0

    def __call__(self, words: str, tip: str, why_not: str, name: str = "") -> bool:
        if self._count % self._columns:
            imgui.same_line()
        self._count += 1
        return widgets.button(words, tip, why_not, self._width, name)


def place_of(title: str) -> Place | None:
    """Where a panel is in the window's pixels; None: another tab hides it."""
    window = imgui.internal.find_window_by_name(title)
    if window is None or not window.was_active or window.hidden:
        return None
    scale, low, size = imgui.get_io().display_framebuffer_scale, window.pos, window.size
    return (round(low.x * scale.x), round(low.y * scale.y), round((low.x + size.x) * scale.x),
            round((low.y + size.y) * scale.y))
