"""Two results against each other in the viewer: flipped, split, their difference, or side by side."""
from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

import numpy as np
from imgui_bundle import ImVec2, imgui

from gui import comparison, report, theme, widgets
from gui.legend import Bar, bars_of_both
from gui.pane import Look, Pane, Shown, Touch, crosshair, label, say
from gui.placement import Rectangle, halves
from gui.requests import IMAGE, name_of, shown_name
from gui.values import FIGURE_SPACE, GAP, WIDE, behind, figures, readout
from renderer.types import Compare, RenderRequest, RenderResult

WAITING = "Waiting for the reference…"
NOTHING = "Nothing to compare with yet: pin a reference, or choose a second network, in Compare."


class Comparing:
    """Draws A, the newest result, and B, its reference (None: not there yet); zoom and pan are linked."""

    def __init__(self, main: Pane):
        self._main, self._other = main, Pane("Reference")
        self._difference: tuple | None = None        # of what it was computed, and the picture

    def __call__(self, area: Rectangle, request: RenderRequest, a: RenderResult, b: RenderResult | None,
                 look: Look) -> tuple[RenderRequest, Touch, str]:
        """Returns the request, what the mouse does to A, and the readout."""
        b_ready = b if b is not None and b.picture is not None else None
        draw = {"flip": self._flip, "split": self._split, "difference": self._show_difference,
                "side": self._side}[request.compare.mode]
        request, touch, readout = draw(area, request, a, b_ready, look)
        if b_ready is None:
            self._excuse(touch, area, request, b)
        return request, touch, readout

    def _excuse(self, touch: Touch, area: Rectangle, request: RenderRequest, b: RenderResult | None) -> None:
        """Why there is no B: in its own pane, or on a plate over A."""
        compare, draw = request.compare, imgui.get_window_draw_list()
        words = b.error if b is not None and b.error else WAITING
        if compare.checkpoint is None and compare.pinned is None:
            words = NOTHING
        if compare.mode == "side":
            room = halves(area, theme.em(0.3))[1]
            draw.add_rect_filled(ImVec2(*room[:2]), ImVec2(*room[2:]), theme.ink("backdrop"))
            say(draw, room, words)
            report.mark_rectangle("Waiting", *room)
        else:
            self._label(draw, touch.room, "B", words, below=True)
            report.mark_rectangle("Waiting", *touch.room)

    # -- one pane -----------------------------------------------------------------------------------------------------

    def _flip(self, area: Rectangle, request: RenderRequest, a: RenderResult, b: RenderResult | None, look: Look):
        io = imgui.get_io()
        flipped = io.key_shift and not io.want_text_input and b is not None
        shown, letter = (b, "B") if flipped else (a, "A")
        touch = self._main.show(area, Shown.of(shown), look, a.picture.shape[:2], takes_drags=True)
        draw = imgui.get_window_draw_list()
        words = side_name(shown, request.compare if flipped else None)
        if flipped:
            draw.add_rect(ImVec2(*touch.room[:2]), ImVec2(*touch.room[2:]), theme.ink("warning"),
                          thickness=theme.em(0.2))
        self._label(draw, touch.room, letter, words if flipped or b is None else f"{words}   hold Shift for B")
        return request, touch, self._both(a, b, touch)

    def _split(self, area: Rectangle, request: RenderRequest, a: RenderResult, b: RenderResult | None, look: Look):
        shown = Shown.of(a) if b is None else replace(Shown.of(a), bars=bars_of_both(a, b))
        touch = self._main.show(area, shown, look, takes_drags=True)
        draw = imgui.get_window_draw_list()
        if b is None:
            self._label(draw, touch.room, "A", side_name(a))
            return request, touch, self._both(a, b, touch)
        x0, _, x1, _ = touch.rectangle
        meet = round(min(max(x0 + request.compare.split * (x1 - x0), touch.room[0]), touch.room[2]))
        right = (meet, touch.room[1], touch.room[2], touch.room[3])
        with widgets.clip(draw, ImVec2(*right[:2]), ImVec2(*right[2:])):
            self._other.paint(draw, Shown.of(b), touch.room, touch.rectangle, look)
        self._label(draw, (*touch.room[:2], meet, touch.room[3]), "A", side_name(a))
        self._label(draw, right, "B", side_name(b, request.compare))
        request = self._handle(draw, touch, request, meet)
        return request, touch, self._both(a, b, touch)

    @staticmethod
    def _handle(draw: imgui.ImDrawList, touch: Touch, request: RenderRequest, meet: int) -> RenderRequest:
        """The line where A and B meet; it stays in sight, and can be dragged."""
        x0, _, x1, _ = touch.rectangle
        _, top, _, bottom = touch.room
        reach = theme.em(0.5)
        imgui.set_cursor_screen_pos(ImVec2(meet - reach, top))
        imgui.invisible_button("split", ImVec2(2 * reach, bottom - top))
        report.mark("Split")
        held, hovered = imgui.is_item_active(), imgui.is_item_hovered()
        if held or hovered:
            imgui.set_mouse_cursor(imgui.MouseCursor_.resize_ew)
        ink, middle = theme.ink("accent" if held or hovered else "text"), (top + bottom) / 2
        draw.add_line(ImVec2(meet, top), ImVec2(meet, bottom), theme.ink("sunken"), theme.em(0.25))
        draw.add_line(ImVec2(meet, top), ImVec2(meet, bottom), ink, theme.em(0.1))
        draw.add_circle_filled(ImVec2(meet, middle), theme.em(0.55), theme.ink("sunken"))
        draw.add_circle_filled(ImVec2(meet, middle), theme.em(0.42), ink)
        if held and imgui.get_io().mouse_delta.x:
            share = min(max((imgui.get_mouse_pos().x - x0) / (x1 - x0), 0.0), 1.0)
            request = replace(request, compare=replace(request.compare, split=share))
        return request

    def _show_difference(self, area: Rectangle, request: RenderRequest, a: RenderResult, b: RenderResult | None,
                         look: Look):
        compare = request.compare
        shown = Shown.of(a) if b is None else self._differing(a, b, compare)
        touch = self._main.show(area, shown, look, a.picture.shape[:2], takes_drags=True)
        draw = imgui.get_window_draw_list()
        if b is None:
            self._label(draw, touch.room, "A", side_name(a))
            return request, touch, self._both(a, b, touch)
        kind = {"E": "A − B", "AE": "|A − B|", "SE": "(A − B)²"}[compare.error]
        where = ", ".join(filter(None, (f"{side_name(a)}  against  {side_name(b, compare)}", comparison.said_of(a, b))))
        self._label(draw, touch.room, kind, where)
        readout = self._both(a, b, touch)
        if touch.at and readout:
            x, y = (int(share * count) for share, count in zip(touch.at, reversed(shown.size)))
            value = shown.behind(np.array(y), np.array(x))
            if value.dtype != np.uint8:
                readout = f"{kind} {figures(float(value[0])).rjust(8, FIGURE_SPACE)}{WIDE}{readout}"
        return request, touch, readout

    def _differing(self, a: RenderResult, b: RenderResult, compare: Compare) -> Shown:
        """Computed when either of the two, the error or its gain changed."""
        key = a, b, compare.error, compare.gain_db
        if self._difference is None or any(x is not y for x, y in zip(key[:2], self._difference[0])) \
                or key[2:] != self._difference[0][2:]:
            picture, limits = comparison.difference(a, b, compare)

            def error(y: np.ndarray, x: np.ndarray) -> np.ndarray:
                return _error(a, b, compare.error, y, x, picture)
            self._difference = key, Shown(picture, error, (Bar(comparison.COLORMAPS[compare.error], limits),))
        return self._difference[1]

    # -- two panes ----------------------------------------------------------------------------------------------------

    def _side(self, area: Rectangle, request: RenderRequest, a: RenderResult, b: RenderResult | None, look: Look):
        left, right = halves(area, theme.em(0.3))
        touch = self._main.show(left, Shown.of(a), look, takes_drags=True)
        draw = imgui.get_window_draw_list()
        if b is None:
            self._label(draw, touch.room, "A", side_name(a))
            return request, touch, self._both(a, b, touch)
        other = self._other.show(right, Shown.of(b), look, a.picture.shape[:2], takes_drags=True)
        for one, far in ((touch, other), (other, touch)):
            if one.at:
                x0, y0, x1, y1 = far.rectangle
                crosshair(draw, far.room, (x0 + one.at[0] * (x1 - x0), y0 + one.at[1] * (y1 - y0)))
        self._label(draw, touch.room, "A", side_name(a))
        self._label(draw, other.room, "B", side_name(b, request.compare))
        if other.at or any(other.dragged):
            touch = replace(touch, at=other.at, double_clicked=other.double_clicked, dragged=other.dragged)
        return request, touch, self._both(a, b, touch)

    # -- words --------------------------------------------------------------------------------------------------------

    @staticmethod
    def _label(draw: imgui.ImDrawList, room: Rectangle, letter: str, words: str, below: bool = False) -> None:
        """In a room's upper left corner; `below`: a line further down."""
        margin = theme.em(0.4)
        top = room[1] + margin + (imgui.get_font_size() + theme.em(0.6) if below else 0)
        with widgets.clip(draw, ImVec2(*room[:2]), ImVec2(*room[2:])):
            label(draw, (room[0] + margin, top), room[2] - room[0] - 2 * margin, letter, words)

    @staticmethod
    def _both(a: RenderResult, b: RenderResult | None, touch: Touch) -> str:
        """What is under the cursor in both, at the same place of the image."""
        pairs = (("A", a), ("B", b)) if b is not None else (("A", a),)
        return WIDE.join(f"{letter}{GAP}{readout(r, *touch.pixel(r))}" for letter, r in pairs) if touch.at else ""

    def clear(self) -> None:
        """Lets go of what is not shown."""
        self._other.clear()
        self._difference = None

    def close(self) -> None:
        self._other.close()


@np.errstate(invalid="ignore", over="ignore")
def _error(a: RenderResult, b: RenderResult, kind: str, y: np.ndarray, x: np.ndarray,
           picture: np.ndarray) -> np.ndarray:
    """What the difference shows at pixels, [1, *y.shape]; its colours where A and B have no pixels in common."""
    if not a.picture.shape == b.picture.shape == picture.shape:
        return np.moveaxis(picture[y, x], -1, 0)
    one, other = behind(a, y, x), behind(b, y, x)
    if one.dtype == np.uint8 or other.dtype == np.uint8:
        one, other = (np.moveaxis(r.picture[y, x], -1, 0) / np.float32(127.5) - 1 for r in (a, b))
    error = one - other
    error = {"E": error, "AE": np.abs(error), "SE": np.square(error)}[kind]
    return error.mean(0, keepdims=True)


def side_name(result: RenderResult, compare: Compare | None = None) -> str:
    """'face.pkl · seed 7 ψ 0.5 · b64.conv1.act · pinned'."""
    request = result.request
    path, tap = request.checkpoint.path, request.tap
    file = shown_name(path) if path.startswith("demo:") else PurePath(path).name
    pin = "pinned" if compare and compare.pinned is not None else ""
    return "  ·  ".join(filter(None, (file, name_of(request), tap if tap != IMAGE else "", pin)))
