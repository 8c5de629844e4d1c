"""Many small pictures in one texture."""
from __future__ import annotations

import numpy as np
from imgui_bundle import ImVec2, ImVec4, imgui
from OpenGL import GL

from gui import texture


class Atlas:
    """`columns`² cells of `side` pixels. The picture drawn least recently makes room for a new one."""

    def __init__(self, side: int, columns: int):
        self._side, self._columns, self._id = side, columns, 0
        self._cells: dict[int, tuple[np.ndarray, int]] = {}      # by id, the latest drawn last; kept alive here

    def draw(self, draw: imgui.ImDrawList, picture: np.ndarray, x: float, y: float, size: float,
             alpha: float = 1.0) -> None:
        """Adds `picture`, uint8 [H, W, 3], at most `side` wide and high, centred in a square of `size` pixels."""
        cell = self._cell(picture)
        height, width = (size * extent / max(picture.shape[:2]) for extent in picture.shape[:2])
        low = ImVec2(x + (size - width) / 2, y + (size - height) / 2)
        top, left = (self._side * v for v in divmod(cell, self._columns))
        whole = self._side * self._columns

        def at(right: float, down: float) -> ImVec2:             # half a pixel inside: filtering stays in the cell
            return ImVec2((left + right) / whole, (top + down) / whole)
        draw.add_image(imgui.ImTextureRef(self._id), low, ImVec2(low.x + width, low.y + height), at(0.5, 0.5),
                       at(picture.shape[1] - 0.5, picture.shape[0] - 0.5),
                       imgui.color_convert_float4_to_u32(ImVec4(1, 1, 1, alpha)))

    def _cell(self, picture: np.ndarray) -> int:
        entry = self._cells.pop(id(picture), None)
        if entry is None:
            full = len(self._cells) == self._columns ** 2
            cell = self._cells.pop(next(iter(self._cells)))[1] if full else len(self._cells)
            entry = picture, cell
            self._upload(picture, cell)
        self._cells[id(picture)] = entry
        return entry[1]

    def _upload(self, picture: np.ndarray, cell: int) -> None:
        height, width, _ = picture.shape
        whole = self._side * self._columns
        created, self._id = not self._id, self._id or int(GL.glGenTextures(1))
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._id)
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        if created:
            GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGB8, whole, whole, 0, GL.GL_RGB, GL.GL_UNSIGNED_BYTE, None)
            for parameter in (GL.GL_TEXTURE_MIN_FILTER, GL.GL_TEXTURE_MAG_FILTER):
                GL.glTexParameteri(GL.GL_TEXTURE_2D, parameter, GL.GL_LINEAR)
        top, left = divmod(cell, self._columns)
        GL.glTexSubImage2D(GL.GL_TEXTURE_2D, 0, left * self._side, top * self._side, width, height, GL.GL_RGB,
                           GL.GL_UNSIGNED_BYTE, np.ascontiguousarray(picture))
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
        texture.redrawn(self._id)

    def close(self) -> None:
        if self._id:
            GL.glDeleteTextures(1, [self._id])
        self._id = 0
        self._cells.clear()
