"""Whether a frame would look different from the one on the screen. In software, drawing costs 20 ms and asking 0.5."""
from __future__ import annotations

import ctypes
import zlib

from imgui_bundle import imgui

from gui import texture


class Damage:
    """Remembers what was drawn last."""

    def __init__(self):
        self._last: tuple | None = None

    def forget(self) -> None:
        """What is on the screen may be lost or damaged."""
        self._last = None

    def found(self, data: imgui.ImDrawData) -> bool:
        """Whether `data` has to be drawn; it is taken as drawn then."""
        pending = any(t.status != imgui.ImTextureStatus.ok for t in imgui.get_platform_io().textures)
        current = None if pending else (texture.redraws(), data.display_size.x, data.display_size.y,
                                        *(_signature(drawn) for drawn in data.cmd_lists))
        changed = current is None or current != self._last
        self._last = current
        return changed


def _signature(drawn: imgui.ImDrawList) -> tuple:
    """Equal for lists that draw the same, but for one in 2^64."""
    sums = [zlib.crc32(ctypes.string_at(buffer.data_address(), buffer.size() * size))
            for buffer, size in ((drawn.vtx_buffer, imgui.VERTEX_SIZE), (drawn.idx_buffer, imgui.INDEX_SIZE))]
    commands = [(c.get_tex_id(), c.elem_count, c.clip_rect.x, c.clip_rect.y, c.clip_rect.z, c.clip_rect.w)
                for c in drawn.cmd_buffer]
    return (*sums, *commands)
