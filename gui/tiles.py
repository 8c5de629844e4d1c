"""A report's pictures: magnified without blurring, with the scale of their colours, those of a group side by side."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from imgui_bundle import ImVec2, imgui

from gui import colorbar, report, theme, widgets
from gui.texture import Canvas
from gui.words import short
from renderer.report import Picture, Scale

ALONE_EMS = 26.0                         # a single picture is at most so wide and high
LEAST_EMS = 5.5                          # and one of a group at least so wide
GAP_EMS = 0.5
BAR_EMS = 0.55                           # height of a colour bar


class Tiles:
    """Keeps a canvas for each picture in sight, by its name."""

    def __init__(self):
        self._canvases: dict[str, Canvas] = {}
        self._pixels: dict[str, np.ndarray] = {}

    def draw(self, pictures: Sequence[Picture], width: float) -> str | None:
        """Pictures of one group, in lines over `width`; the layer that a click leads to."""
        columns, side = arranged(len(pictures), width, theme.em(LEAST_EMS), theme.em(ALONE_EMS), theme.em(GAP_EMS))
        together = len(pictures) > 1 and len({picture.scale for picture in pictures}) == 1
        clicked = None
        for start in range(0, len(pictures), columns):
            line = pictures[start:start + columns]
            left = imgui.get_cursor_pos_x()
            for index, picture in enumerate(line):
                if index:
                    imgui.same_line(left + index * (side + theme.em(GAP_EMS)))
                imgui.begin_group()
                clicked = self._tile(picture, side) or clicked
                if picture.scale and not together:
                    scale_bar(picture.scale, side)
                imgui.end_group()
        if together and pictures[0].scale:
            scale_bar(pictures[0].scale, min(columns, len(pictures)) * (side + theme.em(GAP_EMS)) - theme.em(GAP_EMS))
        return clicked

    def _tile(self, picture: Picture, side: float) -> str | None:
        """Its title over the picture; the layer, if it was clicked."""
        widgets.clipped(picture.title, "text", side)
        widgets.hint(picture.tip)
        rows, columns, _ = picture.pixels.shape
        width, height = round(side * min(1, columns / rows)), round(side * min(1, rows / columns))
        low = imgui.get_cursor_screen_pos()
        pressed = imgui.invisible_button(f"##{picture.name}", ImVec2(max(width, 1), max(height, 1)))
        report.mark(picture.name)
        if not imgui.is_item_visible():
            if canvas := self._canvases.pop(picture.name, None):
                canvas.close()
            return None
        x, y = round(low.x), round(low.y)
        place = (x, y, x + width, y + height)
        draw = imgui.get_window_draw_list()
        self._canvases.setdefault(picture.name, Canvas()).draw(draw, self._pixels[picture.name], place, place)
        if picture.spot:
            spot(draw, x + picture.spot[1] * width, y + picture.spot[0] * height)
        leads = f"Click to look at {picture.tap}" if picture.tap else ""
        if leads and imgui.is_item_hovered():
            imgui.set_mouse_cursor(imgui.MouseCursor_.hand)
            draw.add_rect(ImVec2(x, y), ImVec2(x + width, y + height), theme.ink("accent"), thickness=theme.em(0.1))
        widgets.hint("\n".join(filter(None, (picture.title, f"{columns} × {rows} pixels", picture.tip, leads))))
        return picture.tap if pressed else None

    def take(self, pictures: Sequence[Picture]) -> None:
        """What is drawn from now on. Pictures that look as before are not drawn anew: reports come several a second."""
        before, self._pixels = self._pixels, {}
        for picture in pictures:
            known = before.get(picture.name)
            is_same = known is not None and np.array_equal(known, picture.pixels)
            self._pixels[picture.name] = known if is_same else picture.pixels
        for name in self._canvases.keys() - self._pixels.keys():
            self._canvases.pop(name).close()

    def close(self) -> None:
        self.take(())


def arranged(count: int, width: float, least: float, most: float, gap: float) -> tuple[int, float]:
    """(columns, side): as few lines as pictures of at least `least` need, evenly filled; at most `most` wide."""
    fitting = max(min(count, int((width + gap) / (least + gap))), 1)
    columns = -(-count // -(-count // fitting))
    return columns, max(min((width - gap * (columns - 1)) / columns, most), 1.0)


def scale_bar(scale: Scale, width: float) -> None:
    """The colours from low to high, the values at both ends, and what they are."""
    at, draw = imgui.get_cursor_screen_pos(), imgui.get_window_draw_list()
    height, line = theme.em(BAR_EMS), imgui.get_text_line_height()
    imgui.dummy(ImVec2(width, height + line))
    colorbar.gradient(draw, ImVec2(at.x, at.y), ImVec2(at.x + width, at.y + height), scale.colormap)
    low, high = short(scale.low), short(scale.high)
    ends = imgui.calc_text_size(low).x, imgui.calc_text_size(high).x
    top = at.y + height
    draw.add_text(ImVec2(at.x, top), theme.ink("dim"), low)
    draw.add_text(ImVec2(at.x + width - ends[1], top), theme.ink("dim"), high)
    words = f"{scale.label} ({scale.unit})" if scale.unit else scale.label
    room = width - sum(ends) - theme.em(0.8)
    shown = widgets.shorten(words, room) if room > theme.em(1.5) else ""
    taken = imgui.calc_text_size(shown).x
    draw.add_text(ImVec2(at.x + ends[0] + theme.em(0.4) + (room - taken) / 2, top), theme.ink("dim"), shown)
    widgets.hint(f"{words}: {low} .. {high}")


def spot(draw: imgui.ImDrawList, x: float, y: float) -> None:
    """A ring that is seen on every colour."""
    for ink, extra in (("backdrop", 2.2), ("text", 1.0)):
        draw.add_circle(ImVec2(x, y), theme.em(0.6), theme.ink(ink), thickness=extra * theme.em(0.1))
