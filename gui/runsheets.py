"""The sample grids of a run over time: a slider through them, the set's own pictures beside, zoom and pan linked."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
from imgui_bundle import ImVec2, imgui

from gui import fonts, theme, widgets
from gui.pane import Look, Pane, Shown
from gui.placement import FIT, halves
from gui.runs import Pictures, Seen
from renderer.runs import Sheet

SHOW = {                                 # what is shown: its tip
    "Generated": "What the average generator makes of the same latents, as training goes on",
    "Real": "Pictures of the set", "Both": "Side by side: zoom and pan are one",
}
GAP_EMS = 0.3
NOTHING = "No samples yet: the run draws the first ones when it begins."


class RunSheets:
    """Stays with the newest grid until somebody goes back to an older one.

    `pictures()`: those that were read, by path; a text is why one can't be shown.
    """

    def __init__(self, pictures: Callable[[], Pictures]):
        self._pictures = pictures
        self._images: int | None = None  # of the grid that was chosen; None: the newest
        self._show = "Generated"
        self._look = Look(grid=False)
        self._panes = {"Generated": Pane("Generated grid"), "Real": Pane("Real grid")}
        self._last: tuple[np.ndarray, ...] | None = None         # generated pictures that were shown last
        self.sheet: Sheet | None = None          # what is meant to be shown

    def wanted(self, seen: Seen) -> tuple[str, ...]:
        """Paths of the pictures that are needed now."""
        sheet = self._chosen(seen)
        generated = (sheet.path,) if sheet and self._show != "Real" else ()
        return (*generated, seen.reals) if seen.reals and self._show != "Generated" else generated

    def reset(self) -> None:
        """Another run is looked at."""
        self._images, self._last, self._look = None, None, Look(grid=False)

    @property
    def width(self) -> float | None:
        """Screen pixels that a grid is wide; None: as it fits."""
        return self._look.placement.width

    def draw(self, seen: Seen) -> None:
        self.sheet = self._chosen(seen)
        self._show = widgets.segmented("Show", self._show, tuple(SHOW), min(theme.em(16), widgets.even_width(1)),
                                       tuple(SHOW.values()))
        if self.sheet is None:
            widgets.wrapped(NOTHING, "faint")
            return
        self._slider(seen)
        low, room = imgui.get_cursor_screen_pos(), imgui.get_content_region_avail()
        area = tuple(map(round, (low.x, low.y, low.x + max(room.x, 16), low.y + max(room.y, theme.em(6)))))
        sides = ("Generated", "Real") if self._show == "Both" else (self._show,)
        for side, place in zip(sides, halves(area, theme.em(GAP_EMS)) if len(sides) > 1 else (area,)):
            self._pane(side, tuple(map(round, place)), self._picture(side, seen))

    def _chosen(self, seen: Seen) -> Sheet | None:
        """The grid that was gone back to, or the last one before it; else the newest."""
        if not seen.sheets:
            return None
        before = [sheet for sheet in seen.sheets if self._images is None or sheet.images <= self._images]
        return before[-1] if before else seen.sheets[0]

    def _slider(self, seen: Seen) -> None:
        """Through all grids; at its right end the newest is followed."""
        sheets, index = seen.sheets, seen.sheets.index(self.sheet)
        last, button = len(sheets) - 1, imgui.get_frame_height()
        wanted = index
        if widgets.icon(fonts.PREVIOUS, "Previous grid", "The grid before", "" if index else "This is the first one"):
            wanted -= 1
        imgui.same_line(0, 0)
        imgui.set_next_item_width(imgui.get_content_region_avail().x - 2 * button)
        words = f"{self.sheet.images / 1000:g} kimg" + (", the newest" if index == last else "")
        wanted = widgets.int_bar("Grid", wanted, 0, max(last, 1), words) if last else self._only(words, wanted)
        imgui.same_line(0, 0)
        if widgets.icon(fonts.NEXT, "Next grid", "The grid after", "" if index < last else "This is the newest one"):
            wanted += 1
        imgui.same_line(0, 0)
        if widgets.icon(fonts.FIT, "Fit grid", "All of it in sight. The wheel zooms, dragging moves"):
            self._look.placement = FIT
        if wanted != index:
            wanted = min(max(wanted, 0), last)
            self._images = None if wanted == last else sheets[wanted].images

    @staticmethod
    def _only(words: str, index: int) -> int:
        widgets.button(words, "The only grid so far", "The only grid so far", imgui.calc_item_width(), "Grid")
        return index

    def _picture(self, side: str, seen: Seen) -> tuple[np.ndarray, ...] | str:
        """A picture's levels; a text: why there is none. While a grid is being read the one before stays."""
        if side == "Real":
            return self._pictures().get(seen.reals, "Reading…") if seen.reals else "This run has no reals.png"
        found = self._pictures().get(self.sheet.path)
        if isinstance(found, tuple):
            self._last = found
        return found if found is not None else self._last if self._last is not None else "Reading…"

    def _pane(self, side: str, area: tuple[int, int, int, int], levels: tuple[np.ndarray, ...] | str) -> None:
        if isinstance(levels, str):
            self._panes[side].wait(area, levels)
            return
        size = levels[0].shape[:2]
        width = self._look.placement.shown_width(area, size) * imgui.get_io().display_framebuffer_scale.x
        picture = level_for(levels, width)
        shown = Shown(picture, lambda y, x: np.moveaxis(picture[y, x], -1, 0))
        self._panes[side].show(area, shown, self._look, size)
        if self._show == "Both":
            widgets_low = ImVec2(area[0] + theme.em(0.3), area[1] + theme.em(0.3))
            plate(widgets_low, side)

    def close(self) -> None:
        for each in self._panes.values():
            each.close()


def level_for(levels: tuple[np.ndarray, ...], width: float) -> np.ndarray:
    """The smallest level from which a picture `width` pixels wide is still made by averaging two pixels or more."""
    large = [level for level in levels if level.shape[1] >= 2 * width]
    return large[-1] if large else levels[0]


def plate(low: ImVec2, words: str) -> None:
    """A word on a dark plate over a picture."""
    draw, pad, size = imgui.get_window_draw_list(), theme.em(0.3), imgui.calc_text_size(words)
    draw.add_rect_filled(low, ImVec2(low.x + size.x + 2 * pad, low.y + size.y + pad), theme.ink("sunken", 0.85), pad)
    draw.add_text(ImVec2(low.x + pad, low.y + pad / 2), theme.ink("text"), words)
