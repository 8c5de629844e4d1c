"""A pane: one picture that zooms and pans, with its pixel grid, the numbers inside large pixels, and its legend."""
from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from imgui_bundle import ImVec2, imgui

from gui import legend, report, theme, widgets
from gui.numbers import Behind, Numbers
from gui.placement import FIT, Placement, Rectangle, place_in
from gui.texture import Canvas
from gui.values import behind
from renderer.types import RenderResult

WHEEL_FACTOR = 1.2                       # larger per step of the wheel
GRID_EMS = (0.53, 1.3)                   # width of a pixel where its grid begins to show, and is fully there
GRID_OPACITY = 0.3


@dataclass
class Look:
    """How pictures are looked at: the same for all panes, so that zoom and pan are linked."""
    placement: Placement = FIT
    checkered: bool = False              # the backdrop
    grid: bool = True                    # lines between large pixels, and numbers inside
    card: bool = False                   # all channels at the cursor
    drags_latent: bool = False           # dragging moves the latent, not the picture


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture, uint8 [H, W, 3], what is behind its pixels, and its legend."""
    picture: np.ndarray
    behind: Behind
    bars: tuple[legend.Bar, ...] = ()    # its legends, one below the other

    @classmethod
    def of(cls, result: RenderResult) -> Shown:
        return cls(result.picture, partial(behind, result), legend.bars_of(result))

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.shape[:2]


@dataclass(frozen=True)
class Touch:
    """Where a picture is, and what the mouse does there."""
    room: Rectangle
    rectangle: Rectangle
    at: tuple[float, float] | None       # what is under the cursor, as shares of the picture's sides
    clicked: bool                        # pressed and released there without moving
    double_clicked: bool
    dragged: tuple[float, float]         # what is not panned: screen pixels of the latent's drag

    def pixel(self, result: RenderResult) -> tuple[int, int] | None:
        """(x, y) of the result's picture, shown there, under the cursor."""
        height, width = result.picture.shape[:2]
        return (int(self.at[0] * width), int(self.at[1] * height)) if self.at else None


class Pane:
    def __init__(self, name: str):
        self._name = name                # of its widget
        self._canvas, self._numbers = Canvas(), Numbers()
        self._moved = False              # since the button went down

    def show(self, area: Rectangle, shown: Shown, look: Look, size: tuple[int, int] | None = None,
             takes_drags: bool = False) -> Touch:
        """Draws `shown` and lets it be touched; `area` has whole corners.

        `size`: (height, width) that the placement goes by, if not the picture's own; `takes_drags`: `look.drags_latent`
        has a meaning here.
        """
        imgui.set_cursor_screen_pos(ImVec2(area[0], area[1]))
        imgui.set_next_item_allow_overlap()
        flags = imgui.ButtonFlags_.mouse_button_left | imgui.ButtonFlags_.mouse_button_middle
        imgui.invisible_button(self._name, ImVec2(area[2] - area[0], area[3] - area[1]), flags)
        report.mark(self._name)
        room, size = self.room(area, shown), size or shown.size
        dragged, clicked = self._touch(room, size, look, takes_drags and look.drags_latent)
        rectangle = look.placement.rectangle(room, size)
        draw = imgui.get_window_draw_list()
        self.paint(draw, shown, room, rectangle, look)
        with widgets.clip(draw, ImVec2(*room[:2]), ImVec2(*room[2:])):
            report.mark_rectangle("Picture" if self._name == "Canvas" else f"{self._name} picture", *rectangle)
        if shown.bars:
            self._canvas_beside(draw, area, room)
            legend.draw_legends(draw, shown.bars, (room[2], area[1], area[2], area[3]))
        mouse = imgui.get_mouse_pos()
        inside = imgui.is_item_hovered() and mouse.x < room[2]
        at = place_in((mouse.x, mouse.y), rectangle) if inside else None
        double = imgui.is_item_hovered() and imgui.is_mouse_double_clicked(0)
        return Touch(room, rectangle, at, clicked, double, dragged)

    def wait(self, area: Rectangle, words: str) -> None:
        """Says what is awaited, in the picture's place."""
        imgui.set_cursor_screen_pos(ImVec2(area[0], area[1]))
        imgui.invisible_button(self._name, ImVec2(area[2] - area[0], area[3] - area[1]))
        report.mark(self._name)
        say(imgui.get_window_draw_list(), area, words)

    @staticmethod
    def room(area: Rectangle, shown: Shown) -> Rectangle:
        """Where the picture goes: beside its legend."""
        return (*area[:2], area[2] - (round(theme.em(legend.WIDTH_EMS)) if shown.bars else 0), area[3])

    def paint(self, draw: imgui.ImDrawList, shown: Shown, room: Rectangle, rectangle: Rectangle, look: Look) -> None:
        """The picture, its grid and its numbers."""
        side = (rectangle[2] - rectangle[0]) / shown.size[1]
        share = (side / theme.em() - GRID_EMS[0]) / (GRID_EMS[1] - GRID_EMS[0])
        lines = GRID_OPACITY * min(max(share, 0.0), 1.0) if look.grid else 0.0
        with widgets.clip(draw, ImVec2(*room[:2]), ImVec2(*room[2:])):
            self._canvas.draw(draw, shown.picture, room, rectangle, look.checkered, lines)
            if look.grid:
                self._numbers.draw(draw, shown.picture, shown.behind, room, rectangle)

    @staticmethod
    def _canvas_beside(draw: imgui.ImDrawList, area: Rectangle, room: Rectangle) -> None:
        draw.add_rect_filled(ImVec2(room[2], area[1]), ImVec2(area[2], area[3]), theme.ink("backdrop"))

    # -- the mouse ----------------------------------------------------------------------------------------------------

    def _touch(self, room: Rectangle, size: tuple[int, int], look: Look,
               drags_latent: bool) -> tuple[tuple[float, float], bool]:
        """Zooms and pans; returns what was dragged of the latent, and whether it was a click."""
        io = imgui.get_io()
        if imgui.is_item_hovered() and io.mouse_wheel:
            look.placement = look.placement.zoomed(WHEEL_FACTOR ** io.mouse_wheel, (io.mouse_pos.x, io.mouse_pos.y),
                                                   room, size)
        if imgui.is_item_activated():
            self._moved = False
        dragged = (0.0, 0.0)
        for button in (0, 2) if imgui.is_item_active() else ():
            moved = imgui.get_mouse_drag_delta(button, theme.em(0.2))
            if not (moved.x or moved.y):
                continue
            self._moved = True
            imgui.reset_mouse_drag_delta(button)
            if button == 0 and drags_latent:
                dragged = (moved.x, moved.y)
                imgui.set_mouse_cursor(imgui.MouseCursor_.resize_all)
            else:
                look.placement = look.placement.panned((moved.x, moved.y), room, size)
        clicked = imgui.is_item_deactivated() and imgui.is_mouse_released(0) and not self._moved
        return dragged, clicked and imgui.is_item_hovered()

    # -- the end ------------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Lets go of the picture."""
        self._canvas.clear()
        self._numbers = Numbers()

    def close(self) -> None:
        self._canvas.close()


# -- over a picture ---------------------------------------------------------------------------------------------------

def say(draw: imgui.ImDrawList, room: Rectangle, words: str) -> None:
    """A sentence in the middle of a room, over as many lines as it needs."""
    width = min(room[2] - room[0] - theme.em(2), theme.em(30))
    size = imgui.calc_text_size(words, wrap_width=width)
    at = ImVec2(round((room[0] + room[2] - size.x) / 2), round((room[1] + room[3] - size.y) / 2))
    draw.add_text(imgui.get_font(), imgui.get_font_size(), at, theme.ink("dim"), words, wrap_width=width)


def outline(draw: imgui.ImDrawList, box: Rectangle) -> None:
    low, high, width = ImVec2(*box[:2]), ImVec2(*box[2:]), max(round(theme.em(0.13)), 1)
    draw.add_rect(low, high, theme.ink("sunken"), thickness=width + 2)
    draw.add_rect(low, high, theme.ink("accent"), thickness=width)
    report.mark_rectangle("Cell", *box)


def crosshair(draw: imgui.ImDrawList, room: Rectangle, at: tuple[float, float]) -> None:
    """Where the cursor of another pane points to here."""
    with widgets.clip(draw, ImVec2(*room[:2]), ImVec2(*room[2:])):
        for color, shift in (("sunken", 1), ("text", 0)):
            ink, x, y = theme.ink(color, 0.7), round(at[0]) + shift, round(at[1]) + shift
            draw.add_line(ImVec2(room[0], y), ImVec2(room[2], y), ink)
            draw.add_line(ImVec2(x, room[1]), ImVec2(x, room[3]), ink)
        report.mark_rectangle("Crosshair", at[0] - 4, at[1] - 4, at[0] + 4, at[1] + 4)


def label(draw: imgui.ImDrawList, corner: tuple[float, float], room: float, letter: str, words: str) -> None:
    """'A  face.pkl · seed 7' on a plate, at most `room` wide; A and B have a colour of their own."""
    pad, gap = theme.em(0.4), theme.em(0.5)
    words = widgets.shorten(words, max(room - imgui.calc_text_size(letter).x - 2 * pad - gap, 1))
    left, width = imgui.calc_text_size(letter).x, imgui.calc_text_size(words).x
    low = ImVec2(corner[0], corner[1])
    high = ImVec2(low.x + left + gap + width + 2 * pad, low.y + imgui.get_font_size() + pad)
    draw.add_rect_filled(low, high, theme.ink("sunken"), theme.em(0.25))
    draw.add_text(ImVec2(low.x + pad, low.y + pad / 2), theme.ink("accent" if letter == "A" else "warning"), letter)
    draw.add_text(ImVec2(low.x + pad + left + gap, low.y + pad / 2), theme.ink("text"), words)
    report.mark_rectangle(f"Label {letter}", low.x, low.y, high.x, high.y)
