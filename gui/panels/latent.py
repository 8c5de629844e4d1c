"""The latent panel: the plane of seeds, its animation, and the class."""
from __future__ import annotations

import math
from dataclasses import replace

from imgui_bundle import ImVec2, imgui

from gui import fonts, report, theme, widgets
from gui.requests import MAX_SEED, ROW, at_seed, seed_of
from renderer.types import Latent, RenderRequest, RenderResult

CELL_EMS = 3.0                           # width of one seed on the pad


class LatentPanel:
    title = "Latent"

    def __init__(self):
        self.playing = False
        self._speed = 1.0                # seeds a second
        self._corner = (-0.6, -0.6)      # plane position of the pad's upper left corner

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        latent, classes = request.latent, result.info.c_dim if result.info else 0
        if latent.z is not None or latent.w is not None:
            latent = _fixed(latent)
            return replace(request, latent=_class(latent, classes) if classes and latent.w is None else latent)
        seed = widgets.integer("Seed", seed_of(latent), 0, MAX_SEED, 0, "z is drawn from this number. Left and right "
                               "arrow keys step it; between seeds of the plane, w is interpolated")
        if seed != seed_of(latent):
            latent = at_seed(latent, seed)
        if classes:
            latent = _class(latent, classes)
        latent = self._pad(latent)
        latent = _position(latent)
        self._animation()
        return replace(request, latent=latent)

    # -- the pad ------------------------------------------------------------------------------------------------------

    def _pad(self, latent: Latent) -> Latent:
        cell = theme.em(CELL_EMS)
        room, below = imgui.get_content_region_avail(), 2 * imgui.get_frame_height_with_spacing()
        size = ImVec2(room.x, max(room.y - below, theme.em(4.5)))
        imgui.invisible_button("pad", size)
        report.mark("Seed plane")
        widgets.hint("Drag to travel, click a seed to go there")
        corner = imgui.get_item_rect_min()
        self._follow(latent, size.x / cell, size.y / cell)
        if imgui.is_item_active() and imgui.is_mouse_dragging(0):
            moved = imgui.get_io().mouse_delta
            latent = replace(latent, x=max(latent.x + moved.x / cell, 0.0), y=max(latent.y + moved.y / cell, 0.0))
        elif imgui.is_item_deactivated() and imgui.get_mouse_drag_delta(0).x == imgui.get_mouse_drag_delta(0).y == 0:
            mouse = imgui.get_mouse_pos()
            x, y = self._corner[0] + (mouse.x - corner.x) / cell, self._corner[1] + (mouse.y - corner.y) / cell
            latent = replace(latent, x=float(max(round(x), 0)), y=float(max(round(y), 0)))
        self._draw(latent, corner, size, cell)
        return latent

    def _follow(self, latent: Latent, columns: float, rows: float) -> None:
        """Scrolls the plane so that the position stays well inside the pad."""
        def scrolled(start: float, at: float, extent: float) -> float:
            margin = min(1.2, extent / 3)
            return max(min(start, at - min(margin, 0.6 + at)), at + margin - extent)
        self._corner = (scrolled(self._corner[0], latent.x, columns), scrolled(self._corner[1], latent.y, rows))

    def _draw(self, latent: Latent, corner: ImVec2, size: ImVec2, cell: float) -> None:
        draw = imgui.get_window_draw_list()
        end = ImVec2(corner.x + size.x, corner.y + size.y)
        draw.add_rect_filled(corner, end, theme.ink("backdrop"), theme.em(0.2))
        with widgets.clip(draw, corner, end):
            self._lattice(latent, draw, corner, size, cell)

    def _lattice(self, latent: Latent, draw, corner: ImVec2, size: ImVec2, cell: float) -> None:
        """Every seed in sight, and where the latent is."""
        near = (round(latent.x), round(latent.y))
        small = imgui.get_font_size() * 0.86
        for j in range(max(math.ceil(self._corner[1]), 0), math.floor(self._corner[1] + size.y / cell) + 1):
            for i in range(max(math.ceil(self._corner[0]), 0), math.floor(self._corner[0] + size.x / cell) + 1):
                at = ImVec2(corner.x + (i - self._corner[0]) * cell, corner.y + (j - self._corner[1]) * cell)
                draw.add_circle_filled(at, theme.em(0.12), theme.ink("faint"))
                words = str(i + ROW * j)
                color = theme.ink("text" if (i, j) == near else "faint")
                offset = imgui.calc_text_size(words).x * 0.86 / 2
                draw.add_text(imgui.get_font(), small, ImVec2(at.x - offset, at.y + theme.em(0.22)), color, words)
        here = ImVec2(corner.x + (latent.x - self._corner[0]) * cell, corner.y + (latent.y - self._corner[1]) * cell)
        draw.add_circle_filled(here, theme.em(0.34), theme.ink("accent"))
        draw.add_circle(here, theme.em(0.34), theme.ink("panel"), 0, theme.em(0.1))

    # -- animation ----------------------------------------------------------------------------------------------------

    def _animation(self) -> None:
        glyph = fonts.PAUSE if self.playing else fonts.PLAY
        if widgets.button(f"{glyph}##play", "Travel along x (Space)", "", theme.em(2.4), "Play", chosen=self.playing):
            self.playing = not self.playing
        imgui.same_line()
        imgui.set_next_item_width(-1)
        self._speed = widgets.bar("Speed", self._speed, 0.05, 10.0, "%.2f seeds/s", logarithmic=True)

    def advance(self, request: RenderRequest, seconds: float) -> RenderRequest:
        """The request `seconds` of animation later."""
        latent = request.latent
        return replace(request, latent=replace(latent, x=latent.x + self._speed * min(seconds, 0.25)))


def _position(latent: Latent) -> Latent:
    """x, y in numbers, and back onto the lattice."""
    snap = theme.em(1.9)
    width = (imgui.get_content_region_avail().x - snap - 2 * imgui.get_style().item_spacing.x) / 2
    values = []
    for name, value in (("x", latent.x), ("y", latent.y)):
        imgui.set_next_item_width(width)
        _, value = imgui.drag_float(f"##{name}", value, 0.01, 0.0, 1e6, f"{name} %.2f", imgui.SliderFlags_.always_clamp)
        report.mark(name)
        imgui.same_line()
        values.append(value)
    latent = replace(latent, x=values[0], y=values[1])
    whole = replace(latent, x=float(round(latent.x)), y=float(round(latent.y)))
    if widgets.icon(fonts.SNAP, "Snap", "Go to the nearest seed", "" if whole != latent else "On a seed already"):
        latent = whole
    return latent


def _fixed(latent: Latent) -> Latent:
    """A saved z or w is shown; the plane is off."""
    name = "w" if latent.w is not None else "z"
    shape = (latent.w or latent.z).shape
    widgets.fact("Source", f"saved {name}, {' × '.join(map(str, shape))}")
    if widgets.button("Back to seeds"):
        latent = replace(latent, z=None, w=None)
    return latent


def _class(latent: Latent, count: int) -> Latent:
    chosen = latent.classes[0][0] if latent.classes else 0
    index = widgets.int_slider("Class", min(chosen, count - 1), 0, count - 1, 0,
                               tip="The label this conditional network is asked for. Ctrl+click to type")
    if index != chosen or not latent.classes:
        latent = replace(latent, classes=((index, 1.0),))
    return latent
