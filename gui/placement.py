"""Where a picture lies in the viewer: pure geometry, in screen coordinates."""
from __future__ import annotations

import math
from dataclasses import dataclass, replace

LARGEST_PIXEL = 128.0                    # screen pixels a picture's pixel may cover
SMALLEST_WIDTH = 16.0
WHOLE_SHARE = 0.8                        # of the width that fits, for a whole multiple to be taken instead
Rectangle = tuple[float, float, float, float]        # x0, y0, x1, y1


@dataclass(frozen=True)
class Placement:
    """Kept in units of the picture's width, so that it holds when a layer of another resolution is shown.

    `center`: the point of the picture, (x / width, y / width), in the middle of the room; `width`: the screen pixels
    the picture's width covers, or None to fit the room.
    """
    center: tuple[float, float] = (0.5, 0.5)
    width: float | None = None

    def rectangle(self, room: Rectangle, size: tuple[int, int]) -> Rectangle:
        """x0, y0, x1, y1 of a picture of `size` (height, width) inside `room` (x0, y0, x1, y1), on whole pixels."""
        x0, y0, x1, y1 = room
        aspect = size[0] / size[1]
        width = self.shown_width(room, size)
        (cx, cy) = self.center if self.width is not None else (0.5, aspect / 2)
        left, top = round((x0 + x1) / 2 - cx * width), round((y0 + y1) / 2 - cy * width)
        return left, top, left + width, top + width * aspect

    def shown_width(self, room: Rectangle, size: tuple[int, int]) -> float:
        if self.width is not None:
            return self.width
        return fitting_width((room[2] - room[0], room[3] - room[1]), size)

    def zoomed(self, factor: float, at: tuple[float, float], room, size) -> Placement:
        """Larger by `factor`, with the point under `at` (screen pixels) staying there."""
        width = self.shown_width(room, size)
        wider = min(max(width * factor, SMALLEST_WIDTH), size[1] * LARGEST_PIXEL)
        left, top, _, _ = self.rectangle(room, size)
        x, y = (at[0] - left) / width, (at[1] - top) / width
        middle = ((room[0] + room[2]) / 2, (room[1] + room[3]) / 2)
        return Placement((x + (middle[0] - at[0]) / wider, y + (middle[1] - at[1]) / wider), wider)

    def panned(self, by: tuple[float, float], room, size) -> Placement:
        """Moved by screen pixels; the picture's middle part stays within the room."""
        width = self.shown_width(room, size)
        (cx, cy) = self.center if self.width is not None else (0.5, size[0] / size[1] / 2)
        x, y = cx - by[0] / width, cy - by[1] / width
        return Placement((min(max(x, 0.0), 1.0), min(max(y, 0.0), size[0] / size[1])), width)

    def actual_size(self, size: tuple[int, int], density: float = 1.0) -> Placement:
        """One picture pixel on one pixel of the display, which has `density` of them to a screen coordinate."""
        center = self.center if self.width is not None else (0.5, size[0] / size[1] / 2)
        return replace(self, center=center, width=size[1] / density)


FIT = Placement()


def fitting_width(room: tuple[float, float], size: tuple[int, int]) -> float:
    """The largest width at which all of the picture is seen; a whole multiple where that wastes little of the room."""
    width = min(room[0], room[1] * size[1] / size[0])
    whole = int(width / size[1]) * size[1]
    return float(max(whole if whole >= WHOLE_SHARE * width else width, 1.0))


def place_in(point: tuple[float, float], rectangle: Rectangle) -> tuple[float, float] | None:
    """A point on the screen as shares 0..1 of a picture's sides; None outside."""
    x0, y0, x1, y1 = rectangle
    x, y = (point[0] - x0) / (x1 - x0), (point[1] - y0) / (y1 - y0)
    return (x, y) if 0 <= x < 1 and 0 <= y < 1 else None


def pixels_in(room: Rectangle, rectangle: Rectangle, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1: the picture's pixels that are seen at least in part."""
    bounds = []
    for low, high, start, end, count in ((room[0], room[2], rectangle[0], rectangle[2], size[1]),
                                         (room[1], room[3], rectangle[1], rectangle[3], size[0])):
        each = (end - start) / count
        bounds.append((max(math.floor((low - start) / each), 0), min(math.ceil((high - start) / each), count)))
    (x0, x1), (y0, y1) = bounds
    return x0, y0, max(x1, x0), max(y1, y0)


def on_screen(box: Rectangle, rectangle: Rectangle, size: tuple[int, int]) -> Rectangle:
    """A box of the picture's pixels, in screen coordinates."""
    sx, sy = (rectangle[2] - rectangle[0]) / size[1], (rectangle[3] - rectangle[1]) / size[0]
    return (rectangle[0] + box[0] * sx, rectangle[1] + box[1] * sy,
            rectangle[0] + box[2] * sx, rectangle[1] + box[3] * sy)


def halves(room: Rectangle, gap: float) -> tuple[Rectangle, Rectangle]:
    """Two rooms side by side, on whole coordinates and of the same width."""
    x0, y0, x1, y1 = room
    width = math.floor((x1 - x0 - gap) / 2)
    return (x0, y0, x0 + width, y1), (x1 - width, y0, x1, y1)
