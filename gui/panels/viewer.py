"""The viewer: the picture, large. Wheel zooms at the cursor, drag pans, F fits, 1 shows one pixel per pixel."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from imgui_bundle import ImVec2, imgui

from gui import fonts, report, theme, widgets
from gui.placement import FIT, pixel_at
from gui.requests import IMAGE, look_at
from gui.texture import Canvas
from gui.welcome import Welcome
from renderer.types import Activity, MixTable, RenderRequest, RenderResult

DEMO_HINT = "An untrained demo. Drop a checkpoint here, or press Ctrl+O, to open your own."
WHEEL_FACTOR = 1.2                       # larger per step of the wheel


class Viewer:
    title = "Viewer"

    def __init__(self, ask: Callable[[], None], recents: Callable[[], Sequence[str]],
                 activity: Callable[[], Activity | None]):
        self._welcome, self._activity = Welcome(ask, recents), activity
        self._canvas = Canvas()
        self._picture: np.ndarray | None = None
        self._checker = False
        self._tap = ""                   # the layer shown last, for its tab
        self._table: MixTable | None = None          # the table shown last, of the file below
        self._path = ""
        self.placement = FIT
        self.readout = ""                # what is under the cursor; empty: nothing
        self.scale = 0.0                 # pixels of the display per pixel of the picture

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        self.readout = ""
        if not request.checkpoint.path:
            self.clear()
            return self._welcome.welcome(request)
        if result.picture is not None:
            self._picture = result.picture
        elif result.error and result.info is None:
            self.clear()
            return self._welcome.failed(request, result.error)
        request = self._tabs(request, result)
        hint = DEMO_HINT if request.checkpoint.path.startswith("demo:") else ""
        self._show(room_below=bool(hint))
        if hint:
            widgets.clipped(hint, "dim")
        return request

    # -- the line above the picture -----------------------------------------------------------------------------------

    def _tabs(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        if request.table is not None or request.checkpoint.path != self._path:
            self._table, self._path = request.table, request.checkpoint.path
        if request.tap != IMAGE:
            self._tap = request.tap
        right = imgui.get_cursor_pos_x() + imgui.get_content_region_avail().x
        taps = {tap.name: tap for tap in result.info.taps} if result.info else {}
        showing = "table" if request.table else "image" if request.tap == IMAGE else "tap"
        tap = taps.get(self._tap)
        if _tab("Image", showing == "image", name="Image") and IMAGE in taps:
            request = look_at(request, taps[IMAGE])
        imgui.same_line(0, theme.em(0.2))
        name = self._tap if tap else "Layer"
        if _tab(name, showing == "tap", "" if tap else "Choose one in Layers", "Layer"):
            request = look_at(request, tap)
        imgui.same_line(0, theme.em(0.2))
        why_not = "" if self._table else "Set it up in Style mixing"
        if _tab("Table", showing == "table", why_not, "Table"):
            request = replace(request, table=self._table)
        self._zoom_buttons(right)
        return request

    def _zoom_buttons(self, right: float) -> None:
        size = f"{self._size[1]} × {self._size[0]}" if self._size[0] else ""
        words = f"{size}   {100 * self.scale:.0f} %" if size else ""
        buttons = 3 * imgui.get_frame_height() + theme.em(0.6)
        imgui.same_line(max(right - imgui.calc_text_size(words).x - buttons, imgui.get_cursor_pos_x()))
        imgui.align_text_to_frame_padding()
        widgets.text(words, "dim")
        imgui.same_line(right - buttons + theme.em(0.6))
        if widgets.icon(fonts.FIT, "Fit", "Show all of it (F)"):
            self.placement = FIT
        imgui.same_line(0, 0)
        if widgets.icon("1:1", "Actual size", "One pixel of the picture on one of the screen (1)"):
            self.actual_size()
        imgui.same_line(0, 0)
        if widgets.icon(fonts.TABLE, "Backdrop", "Grey or checkered behind the picture"):
            self._checker = not self._checker

    def fit(self) -> None:
        self.placement = FIT

    def actual_size(self) -> None:
        if self._size[0]:
            self.placement = self.placement.actual_size(self._size, _density())

    # -- the picture --------------------------------------------------------------------------------------------------

    def _show(self, room_below: bool) -> None:
        """The picture; `room_below` leaves a line of text's height."""
        room = imgui.get_content_region_avail()
        room.y -= imgui.get_text_line_height_with_spacing() if room_below else 0
        if room.x < 8 or room.y < 8:
            return
        flags = imgui.ButtonFlags_.mouse_button_left | imgui.ButtonFlags_.mouse_button_middle
        imgui.invisible_button("canvas", room, flags)
        low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
        report.mark("Canvas")
        draw = imgui.get_window_draw_list()
        if self._picture is None:
            self._opening(draw, low, high)
            return
        where, size = tuple(map(round, (low.x, low.y, high.x, high.y))), self._size
        self._interact(where, size)
        x0, y0, x1, y1 = self.placement.rectangle(where, size)
        self.scale = (x1 - x0) * _density() / size[1]
        with widgets.clip(draw, low, high):
            self._canvas.draw(draw, self._picture, where, (x0, y0, x1, y1), self._checker)
            report.mark_rectangle("Picture", x0, y0, x1, y1)
        self._read((x0, y0, x1, y1), size)

    def _interact(self, room, size) -> None:
        io = imgui.get_io()
        if imgui.is_item_hovered() and io.mouse_wheel:
            self.placement = self.placement.zoomed(WHEEL_FACTOR ** io.mouse_wheel, (io.mouse_pos.x, io.mouse_pos.y),
                                                   room, size)
        if imgui.is_item_active() and (io.mouse_delta.x or io.mouse_delta.y):
            self.placement = self.placement.panned((io.mouse_delta.x, io.mouse_delta.y), room, size)
        if imgui.is_item_hovered() and imgui.is_mouse_double_clicked(0):
            self.placement = FIT

    def _read(self, rectangle, size) -> None:
        mouse = imgui.get_mouse_pos()
        if imgui.is_item_hovered() and (pixel := pixel_at((mouse.x, mouse.y), rectangle, size)):
            x, y = pixel
            red, green, blue = (int(v) for v in self._picture[y, x])
            self.readout = f"x {x:4d}   y {y:4d}     R {red:3d}   G {green:3d}   B {blue:3d}"

    def _opening(self, draw, low: ImVec2, high: ImVec2) -> None:
        activity = self._activity()
        words = activity.text if activity else ""
        size = imgui.calc_text_size(words)
        draw.add_text(ImVec2((low.x + high.x - size.x) / 2, (low.y + high.y - size.y) / 2), theme.ink("dim"), words)

    @property
    def _size(self) -> tuple[int, int]:
        """(height, width) of the picture; (0, 0) without one."""
        return self._picture.shape[:2] if self._picture is not None else (0, 0)

    def clear(self) -> None:
        self._picture = None
        self._canvas.clear()

    def close(self) -> None:
        self._canvas.close()


def _tab(words: str, chosen: bool, why_not: str = "", name: str = "") -> bool:
    return widgets.button(f"{words}##{name}", "", why_not, name=name, chosen=chosen)


def _density() -> float:
    """Pixels of the display in a screen coordinate: 2 on a Mac's Retina display, 1 elsewhere."""
    return imgui.get_io().display_framebuffer_scale.x or 1.0
