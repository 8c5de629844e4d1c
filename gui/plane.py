"""The seed plane: a pad with a lattice of seeds on which the latent travels."""
from __future__ import annotations

import math
from dataclasses import replace

from imgui_bundle import ImVec2, imgui

from gui import report, theme, widgets
from gui.requests import ROW
from renderer.types import Latent

CELL_EMS = 3.0                           # width of one seed on the pad
LEAST_EMS = 3.2                          # height of the pad, at least

Circle = tuple[float, float, float]      # center and radius, in seeds


class SeedPlane:
    """Remembers how far it is scrolled."""

    def __init__(self):
        self._corner = (-0.6, -0.6)      # plane position of the pad's upper left corner

    def draw(self, latent: Latent, lines_below: int, circle: Circle | None = None) -> Latent:
        """As large as the panel lets it, but for `lines_below` rows of widgets; `circle` is drawn where given."""
        cell = theme.em(CELL_EMS)
        room, below = imgui.get_content_region_avail(), lines_below * imgui.get_frame_height_with_spacing()
        size = ImVec2(room.x, max(room.y - below, theme.em(LEAST_EMS)))
        imgui.invisible_button("pad", size)
        report.mark("Seed plane")
        widgets.hint("Drag to travel, click a seed to go there. Between seeds w is interpolated (StyleGAN sec. 4.1)")
        corner = imgui.get_item_rect_min()
        self._follow(latent, size.x / cell, size.y / cell)
        if imgui.is_item_active() and imgui.is_mouse_dragging(0):
            moved = imgui.get_io().mouse_delta
            latent = replace(latent, x=max(latent.x + moved.x / cell, 0.0), y=max(latent.y + moved.y / cell, 0.0))
        elif imgui.is_item_deactivated() and imgui.get_mouse_drag_delta(0).x == imgui.get_mouse_drag_delta(0).y == 0:
            mouse = imgui.get_mouse_pos()
            x, y = self._corner[0] + (mouse.x - corner.x) / cell, self._corner[1] + (mouse.y - corner.y) / cell
            latent = replace(latent, x=float(max(round(x), 0)), y=float(max(round(y), 0)))
        self._draw(latent, corner, size, cell, circle)
        return latent

    def _follow(self, latent: Latent, columns: float, rows: float) -> None:
        """Scrolls the plane so that the position stays well inside the pad."""
        def scrolled(start: float, at: float, extent: float) -> float:
            margin = min(1.2, extent / 3)
            return max(min(start, at - min(margin, 0.6 + at)), at + margin - extent)
        self._corner = (scrolled(self._corner[0], latent.x, columns), scrolled(self._corner[1], latent.y, rows))

    def _draw(self, latent: Latent, corner: ImVec2, size: ImVec2, cell: float, circle: Circle | None) -> None:
        draw = imgui.get_window_draw_list()
        end = ImVec2(corner.x + size.x, corner.y + size.y)
        draw.add_rect_filled(corner, end, theme.ink("backdrop"), theme.em(0.2))

        def at(x: float, y: float) -> ImVec2:
            return ImVec2(corner.x + (x - self._corner[0]) * cell, corner.y + (y - self._corner[1]) * cell)
        with widgets.clip(draw, corner, end):
            self._lattice(latent, draw, at, size.x / cell, size.y / cell)
            if circle:
                draw.add_circle(at(*circle[:2]), circle[2] * cell, theme.ink("accent_low"), 0, theme.em(0.1))
            here = at(latent.x, latent.y)
            draw.add_circle_filled(here, theme.em(0.34), theme.ink("accent"))
            draw.add_circle(here, theme.em(0.34), theme.ink("panel"), 0, theme.em(0.1))

    def _lattice(self, latent: Latent, draw, at, columns: float, rows: float) -> None:
        """Every seed in sight."""
        near, small = (round(latent.x), round(latent.y)), imgui.get_font_size() * 0.86
        for j in range(max(math.ceil(self._corner[1]), 0), math.floor(self._corner[1] + rows) + 1):
            for i in range(max(math.ceil(self._corner[0]), 0), math.floor(self._corner[0] + columns) + 1):
                where, words = at(i, j), str(i + ROW * j)
                draw.add_circle_filled(where, theme.em(0.12), theme.ink("faint"))
                color = theme.ink("text" if (i, j) == near else "faint")
                offset = imgui.calc_text_size(words).x * 0.86 / 2
                draw.add_text(imgui.get_font(), small, ImVec2(where.x - offset, where.y + theme.em(0.22)), color, words)
