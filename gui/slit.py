"""The slit of the sticking inspection, drawn over the picture; its ends and its middle are dragged with the mouse."""
from __future__ import annotations

from dataclasses import replace

from imgui_bundle import ImVec2, imgui

from gui import report, theme, widgets
from gui.placement import Rectangle
from gui.requests import IMAGE
from renderer.inspection import Sticking
from renderer.types import RenderRequest, RenderResult

Line = tuple[float, float, float, float]         # x, y of both ends in shares of the picture's sides

DIGITS = 4                               # of a share: a tenth of a pixel of a picture 1024 wide
GRIP_EMS = 1.2                           # side of what can be gripped
MIDDLE = "Slit"
GRIPS = {"Slit start": (0, 1), "Slit end": (2, 3), MIDDLE: (0, 1, 2, 3)}     # the coordinates that each one moves
TIP = "The slit: drag its ends or its middle. What lies on it is shown over time in Texture sticking"


class Slit:
    """The estimate begins anew when the mouse button is let go, not all the way along."""

    def __init__(self):
        self._held = ""                          # the grip that is dragged
        self._draft: Line | None = None          # where it has got to

    def __call__(self, request: RenderRequest, result: RenderResult, room: Rectangle,
                 rectangle: Rectangle) -> RenderRequest:
        """Draws it over the picture in `rectangle`, of which `room` is seen, where the request scans the image."""
        inspection = request.inspect
        if not isinstance(inspection, Sticking) or result.request.tap != IMAGE or result.cells is not None:
            self._held, self._draft = "", None
            return request
        here, shown = imgui.get_cursor_screen_pos(), self._draft or inspection.line
        for name in GRIPS:
            self._grip(name, inspection.line, grip_at(shown, name, rectangle), room, rectangle)
        imgui.set_cursor_screen_pos(here)
        _draw(self._draft or inspection.line, room, rectangle)
        if self._held or self._draft is None:
            return request
        line, self._draft = tuple(round(share, DIGITS) for share in self._draft), None
        return replace(request, inspect=replace(inspection, line=line)) if line[:2] != line[2:] else request

    def _grip(self, name: str, line: Line, at: tuple[float, float], room: Rectangle, rectangle: Rectangle) -> None:
        """Lets it be dragged from where it is on `line`; one that is held is kept out of sight, too."""
        is_seen = room[0] <= at[0] < room[2] and room[1] <= at[1] < room[3]
        if not is_seen and self._held != name:
            return
        side = theme.em(GRIP_EMS)
        imgui.set_cursor_screen_pos(ImVec2(at[0] - side / 2, at[1] - side / 2))
        imgui.invisible_button(name, ImVec2(side, side))
        report.mark(name)
        if imgui.is_item_active():
            self._held, moved = name, imgui.get_mouse_drag_delta(0, 0.0)
            if self._draft or moved.x or moved.y:
                by = moved.x / (rectangle[2] - rectangle[0]), moved.y / (rectangle[3] - rectangle[1])
                self._draft = dragged(line, GRIPS[name], by)
        elif self._held == name:
            self._held = ""
        else:
            widgets.hint(TIP)
        if imgui.is_item_hovered() or imgui.is_item_active():
            imgui.set_mouse_cursor(imgui.MouseCursor_.hand if name != MIDDLE else imgui.MouseCursor_.resize_all)


def dragged(line: Line, moved: tuple[int, ...], by: tuple[float, float]) -> Line:
    """`line` with these coordinates moved by (x, y), as far as all of them stay within the picture."""
    low, high = ([limit(line[i] for i in moved if i % 2 == axis) for axis in (0, 1)] for limit in (min, max))
    by = [min(max(step, -least), 1 - most) for step, least, most in zip(by, low, high)]
    return tuple(value + by[i % 2] if i in moved else value for i, value in enumerate(line))


def on_screen(line: Line, rectangle: Rectangle) -> Line:
    """Its ends in pixels of the screen, the picture being in `rectangle`."""
    return tuple(rectangle[i % 2] + share * (rectangle[2 + i % 2] - rectangle[i % 2]) for i, share in enumerate(line))


def grip_at(line: Line, name: str, rectangle: Rectangle) -> tuple[float, float]:
    """The end, or the middle, on the screen."""
    ends, moved = on_screen(line, rectangle), GRIPS[name]
    return tuple(sum(ends[i] for i in moved if i % 2 == axis) / (len(moved) // 2) for axis in (0, 1))


def _draw(line: Line, room: Rectangle, rectangle: Rectangle) -> None:
    x0, y0, x1, y1 = on_screen(line, rectangle)
    draw, width = imgui.get_window_draw_list(), max(round(theme.em(0.13)), 1)
    with widgets.clip(draw, ImVec2(*room[:2]), ImVec2(*room[2:])):
        for color, more in (("sunken", 2), ("accent", 0)):
            draw.add_line(ImVec2(x0, y0), ImVec2(x1, y1), theme.ink(color), width + more)
            for x, y in ((x0, y0), (x1, y1)):
                draw.add_circle_filled(ImVec2(x, y), theme.em(0.3) + more / 2, theme.ink(color))
