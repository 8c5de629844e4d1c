"""The viewer: the picture, large, as an image tool shows it; what is under the cursor; tabs, cells, comparisons."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from imgui_bundle import imgui

from gui import card, cells, fonts, theme, values, widgets
from gui.commands import Command
from gui.comparing import Comparing
from gui.pane import Look, Pane, Shown, Touch, outline
from gui.placement import FIT, Placement, Rectangle, on_screen
from gui.preferences import Switch
from gui.recents import Recents
from gui.requests import IMAGE, dragged, look_at
from gui.slit import Slit
from gui.welcome import Welcome
from renderer.types import Activity, MixTable, RenderRequest, RenderResult, SeedGrid, TapInfo

DEMO_HINT = "An untrained demo. Drop a checkpoint here, or press Ctrl+O, to open your own."
SEED_EMS = 10.0                          # of a drag over the picture, to the next seed: 150 pixels at 100 %
TIPS = {
    "grid": "Lines between large pixels, and their values inside (G)",
    "card": "All channels of the pixel under the cursor: which one carries a blob? (I, or hold Alt)",
    "drag": "Dragging moves the latent over the plane of seeds; the middle button still pans (D)",
    "pan": "Dragging pans; press to drag the latent instead (D)",
    "channels": "A contact sheet of all channels of what is shown; click one to look at it",
}


class Viewer:
    """`reference()`: the newest result of what the request compares with, if there is one."""
    title = "Viewer"

    def __init__(self, ask: Callable[[], None], recents: Recents, activity: Callable[[], Activity | None],
                 reference: Callable[[], RenderResult | None] = lambda: None):
        self._welcome, self._activity, self._reference = Welcome(ask, recents), activity, reference
        self._pane = Pane("Canvas")
        self._comparing = Comparing(self._pane)
        self._slit = Slit()
        self._look = Look()
        self.switches = tuple(Switch(self._look, name) for name in ("grid", "card", "checkered"))
        self._result: RenderResult | None = None     # the newest with a picture
        self._tap = ""                   # the layer shown last, for its tab
        self._mode = "rgb"               # the view shown last that was not a sheet
        self._table: MixTable | None = None          # the table and the grid shown last, of the file below
        self._seeds: SeedGrid | None = None
        self._path = ""
        self._acted = False              # the last click did something, so that a second one is no double click
        self.readout = ""                # what is under the cursor; empty: nothing
        self.scale = 0.0                 # pixels of the display per pixel of the picture
        self.commands = (
            Command("Pixel grid and values", lambda q, r: self._flip("grid"), "G", "View", 4, lambda: self._look.grid),
            Command("All channels at the cursor", lambda q, r: self._flip("card"), "I", "View", 4,
                    lambda: self._look.card),
            Command("Drag the latent", lambda q, r: self._flip("drags_latent"), "D", "View", 4,
                    lambda: self._look.drags_latent),
        )

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        self.readout = ""
        if not request.checkpoint.path:
            self.clear()
            return self._welcome.welcome(request)
        if result.picture is not None:
            self._result = result
        elif result.error and result.info is None:
            self.clear()
            return self._welcome.failed(request, result.error)
        request = self._header(request, result)
        hint = DEMO_HINT if request.checkpoint.path.startswith("demo:") else ""
        if area := _area(room_below=bool(hint)):
            request = self._show(request, area)
        if hint:
            widgets.clipped(hint, "dim")
        return request

    # -- the line above the picture -----------------------------------------------------------------------------------

    def _header(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        self._remember(request)
        right = imgui.get_cursor_pos_x() + imgui.get_content_region_avail().x
        taps = {tap.name: tap for tap in result.info.taps} if result.info else {}
        request = self._tabs(request, taps)
        imgui.same_line(0, theme.em(0.5))
        self._tools(right)
        return request

    def _remember(self, request: RenderRequest) -> None:
        if request.checkpoint.path != self._path:
            self._table = self._seeds = None
            self._path = request.checkpoint.path
        self._table, self._seeds = request.table or self._table, request.seeds or self._seeds
        if request.tap != IMAGE:
            self._tap = request.tap
        if request.view.mode != "sheet":
            self._mode = request.view.mode

    def _tabs(self, request: RenderRequest, taps: dict[str, TapInfo]) -> RenderRequest:
        tap, here = taps.get(self._tap), taps.get(request.tap)
        showing = ("table" if request.table else "seeds" if request.seeds else
                   "channels" if request.view.mode == "sheet" else "image" if request.tap == IMAGE else "tap")
        if _tab("Image", showing == "image") and IMAGE in taps:
            request = self._look_at(request, taps[IMAGE], self._mode)
        if _tab("Layer", showing == "tap", "" if tap else "Choose one in Layers", self._tap if tap else ""):
            request = self._look_at(request, tap, self._mode)
        if _tab("Channels", showing == "channels", "" if here else "Nothing is shown yet", tip=TIPS["channels"]):
            request = self._look_at(request, here, "sheet")
        if _tab("Table", showing == "table", "" if self._table else "Set it up in Style mixing"):
            request = replace(request, table=self._table, seeds=None)
        if self._seeds and _tab("Seeds", showing == "seeds"):
            request = replace(request, seeds=self._seeds, table=None)
        return request

    @staticmethod
    def _look_at(request: RenderRequest, tap: TapInfo, mode: str) -> RenderRequest:
        request = look_at(request, tap)
        return replace(request, view=replace(request.view, mode=mode))

    def _tools(self, right: float) -> None:
        """The picture's size and zoom, as far as there is room; then what changes how it is looked at."""
        look, left = self._look, imgui.get_cursor_pos_x()
        size = f"{self._size[1]} × {self._size[0]}   " if self._size[0] else ""
        zoom = f"{100 * self.scale:.0f} %" if size else ""
        gap = theme.em(0.1)
        start = right - 6 * (imgui.get_frame_height() + gap)
        words = next((w for w in (size + zoom, zoom) if left + imgui.calc_text_size(w).x < start - theme.em(0.5)), "")
        imgui.set_cursor_pos_x(max(start - theme.em(0.5) - imgui.calc_text_size(words).x, left))
        imgui.align_text_to_frame_padding()
        widgets.text(words, "dim")
        imgui.same_line(max(start, left))
        if widgets.icon(fonts.FIT, "Fit", "Show all of it (F)"):
            self.fit()
        imgui.same_line(0, gap)
        if widgets.icon("1:1", "Actual size", "One pixel of the picture on one of the screen (1)"):
            self.actual_size()
        for field, glyph, name, tip in (
                ("drags_latent", fonts.MOVE if look.drags_latent else fonts.HAND, "Drag mode",
                 TIPS["drag" if look.drags_latent else "pan"]),
                ("grid", fonts.GRID, "Grid", TIPS["grid"]), ("card", fonts.PICK, "All channels", TIPS["card"]),
                ("checkered", fonts.BACKDROP, "Backdrop", "Grey or checkered behind the picture")):
            imgui.same_line(0, gap)
            if widgets.icon(glyph, name, tip, chosen=getattr(look, field)):
                self._flip(field)

    def _flip(self, field: str) -> None:
        setattr(self._look, field, not getattr(self._look, field))

    def fit(self) -> None:
        self._look.placement = FIT

    def actual_size(self) -> None:
        if self._size[0]:
            self._look.placement = self._look.placement.actual_size(self._size, _density())

    @property
    def placement(self) -> Placement:
        return self._look.placement

    @placement.setter
    def placement(self, placement: Placement) -> None:
        self._look.placement = placement

    # -- the picture --------------------------------------------------------------------------------------------------

    def _show(self, request: RenderRequest, area: Rectangle) -> RenderRequest:
        result = self._result
        if result is None:
            self._pane.wait(area, self._waiting())
            return request
        if request.compare is None:
            touch = self._pane.show(area, Shown.of(result), self._look, takes_drags=result.cells is None)
            request = self._slit(request, result, touch.room, touch.rectangle)
            readout = values.readout(result, *touch.pixel(result)) if touch.at else ""
            other = None
            self._comparing.clear()
        else:
            other = self._reference()
            request, touch, readout = self._comparing(area, request, result, other, self._look)
        self.scale = (touch.rectangle[2] - touch.rectangle[0]) * _density() / self._size[1]
        self._card(touch, (result, other))
        return self._touched(request, result, touch, readout)

    def _waiting(self) -> str:
        activity = self._activity()
        return activity.text if activity else ""

    def _touched(self, request: RenderRequest, result: RenderResult, touch: Touch, readout: str) -> RenderRequest:
        """What the mouse does to the request, and what is said of what is under it."""
        index = None
        if touch.at and result.cells and request.compare is None:
            index = cells.cell_at(result.cells, *touch.pixel(result))
            readout = self._cell(request, result, touch, index, readout)
        acts = touch.clicked and index is not None and _same_layout(request, result.request)
        if touch.double_clicked and not self._acted:
            self._look.placement = FIT
        if touch.clicked:
            self._acted = acts
        if acts:
            request = cells.chosen(request, result.cells, index)
        if self._look.drags_latent and result.cells is None:
            request = dragged(request, touch.dragged, theme.em(SEED_EMS))
            readout = f"{_latent_words(request)}{values.WIDE}{readout}" if readout or any(touch.dragged) else ""
        self.readout = readout
        return request

    @staticmethod
    def _cell(request: RenderRequest, result: RenderResult, touch: Touch, index: int | None, readout: str) -> str:
        """Outlines the cell under the cursor; returns the readout with its name."""
        if index is None:
            return readout
        name = cells.named(result.request, result.cells, index)
        if name or result.cells.shown[index] is not None:
            box = on_screen(cells.box_of(result.cells, index), touch.rectangle, result.picture.shape[:2])
            low, high = touch.room[:2], touch.room[2:]
            outline(imgui.get_window_draw_list(), (*np.maximum(box[:2], low), *np.minimum(box[2:], high)))
            if _same_layout(request, result.request):
                imgui.set_mouse_cursor(imgui.MouseCursor_.hand)
        return f"{name}{values.WIDE}{readout}" if name else readout

    def _card(self, touch: Touch, results: tuple[RenderResult | None, ...]) -> None:
        """All channels at the cursor, of each result."""
        if not touch.at or not (self._look.card or imgui.get_io().key_alt):
            return
        for letter, result in zip("AB" if results[1] else " ", results):
            column = values.column(result, *touch.pixel(result)) if result and result.picture is not None else None
            if column is not None:
                _, x, y = values.place(result, *touch.pixel(result))
                card.draw_card(column, f"{letter}  {result.request.tap}   x {x}   y {y}".strip())

    @property
    def _size(self) -> tuple[int, int]:
        """(height, width) of the picture; (0, 0) without one."""
        return self._result.picture.shape[:2] if self._result else (0, 0)

    def clear(self) -> None:
        self._result = None
        self._pane.clear()
        self._comparing.clear()

    def close(self) -> None:
        self._pane.close()
        self._comparing.close()


def _tab(name: str, chosen: bool, why_not: str = "", words: str = "", tip: str = "") -> bool:
    pressed = widgets.button(f"{words or name}##{name}", tip, why_not, name=name, chosen=chosen)
    imgui.same_line(0, theme.em(0.2))
    return pressed


def _area(room_below: bool) -> Rectangle | None:
    """What is left of the panel, on whole coordinates; `room_below` leaves a line of text's height."""
    at, room = imgui.get_cursor_screen_pos(), imgui.get_content_region_avail()
    room.y -= imgui.get_text_line_height_with_spacing() if room_below else 0
    if room.x < 8 or room.y < 8:
        return None
    return round(at.x), round(at.y), round(at.x + room.x), round(at.y + room.y)


def _same_layout(request: RenderRequest, shown: RenderRequest) -> bool:
    """What is shown is still what is asked for, as far as the cells go."""
    return (request.table, request.seeds, request.tap, request.view.mode) == (
        shown.table, shown.seeds, shown.tap, shown.view.mode)


def _latent_words(request: RenderRequest) -> str:
    latent = request.latent
    if latent.z is not None or latent.w is not None:
        return "a saved latent has no place on the plane of seeds"
    return f"seed plane  x {latent.x:.2f}  y {latent.y:.2f}"


def _density() -> float:
    """Pixels of the display in a screen coordinate: 2 on a Mac's Retina display, 1 elsewhere."""
    return imgui.get_io().display_framebuffer_scale.x or 1.0
