"""What of a frame looks different from the one on the screen. In software, drawing costs 20 ms and asking 0.5."""
from __future__ import annotations

import ctypes
import math
import zlib

import numpy as np
from imgui_bundle import imgui

from gui import texture

Box = tuple[int, int, int, int]          # x0, y0, x1, y1 in screen coordinates
EVERYTHING = -1 << 30, -1 << 30, 1 << 30, 1 << 30


class Damage:
    """Remembers what was drawn last."""

    def __init__(self):
        self._size: tuple[float, float] = (0, 0)
        self._lists: list[tuple[tuple, Box | None]] = []     # signature of each draw list, and where it draws

    def forget(self) -> None:
        """What is on the screen may be lost or damaged."""
        self._lists = []

    def found(self, data: imgui.ImDrawData) -> list[Box]:
        """Where `data` has to be drawn, as boxes that do not overlap; it is taken as drawn then."""
        if any(t.status != imgui.ImTextureStatus.ok for t in imgui.get_platform_io().textures):
            self.forget()
            return [EVERYTHING]
        size, before, boxes = (data.display_size.x, data.display_size.y), self._lists, []
        alike = size == self._size and len(before) == len(data.cmd_lists)
        self._size, self._lists = size, []
        for drawn, (signature, box) in zip(data.cmd_lists, before if alike else [((), None)] * len(data.cmd_lists)):
            current, vertices, indices = _signature(drawn)
            if current != signature:
                after = _bounds(drawn, vertices, indices)
                boxes += [b for b in (box, after) if b]
                signature, box = current, after
            self._lists.append((signature, box))
        return merged(boxes) if alike else [EVERYTHING]


def _signature(drawn: imgui.ImDrawList) -> tuple[tuple, bytes, bytes]:
    """Equal for lists that draw the same, but for one in 2^64; and the vertices and indices that it is of."""
    buffers = [ctypes.string_at(buffer.data_address(), buffer.size() * size)
               for buffer, size in ((drawn.vtx_buffer, imgui.VERTEX_SIZE), (drawn.idx_buffer, imgui.INDEX_SIZE))]
    commands = [(c.get_tex_id(), texture.version(c.get_tex_id()), c.elem_count,
                 c.clip_rect.x, c.clip_rect.y, c.clip_rect.z, c.clip_rect.w) for c in drawn.cmd_buffer]
    return (*map(zlib.crc32, buffers), *commands), *buffers


def _bounds(drawn: imgui.ImDrawList, vertices: bytes, indices: bytes) -> Box | None:
    """The box around all that is drawn, on whole coordinates; None: nothing."""
    corners = np.frombuffer(vertices, np.float32).reshape(-1, imgui.VERTEX_SIZE // 4)[:, :2]
    used, boxes = np.frombuffer(indices, f"u{imgui.INDEX_SIZE}"), []
    for c in drawn.cmd_buffer:
        if not c.elem_count:
            continue
        seen = corners[c.vtx_offset + used[c.idx_offset:c.idx_offset + c.elem_count].astype(np.int64)]
        low, high = np.maximum(seen.min(axis=0), (c.clip_rect.x, c.clip_rect.y)), np.minimum(
            seen.max(axis=0), (c.clip_rect.z, c.clip_rect.w))
        if (low < high).all():
            boxes.append((math.floor(low[0]), math.floor(low[1]), math.ceil(high[0]), math.ceil(high[1])))
    return _around(boxes) if boxes else None


def merged(boxes: list[Box]) -> list[Box]:
    """Boxes that cover all of `boxes` and do not overlap."""
    apart: list[Box] = []
    for box in boxes:
        while meeting := [other for other in apart if overlap(box, other)]:
            apart = [other for other in apart if other not in meeting]
            box = _around([box, *meeting])
        apart.append(box)
    return apart


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _around(boxes: list[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes)
    return min(x0), min(y0), max(x1), max(y1)
