"""The frame on the screen, kept in a texture so that only what changed is drawn anew.

A window's own buffers hold anything after a swap, so what is drawn in parts is put together here and then copied.
"""
from __future__ import annotations

import numpy as np
from imgui_bundle import ImVec4, imgui
from OpenGL import GL

from gui import theme
from gui.damage import Box


class Screen:
    def __init__(self):
        self._frame = self._texture = 0
        self._size = (0, 0)

    def draw(self, data: imgui.ImDrawData, boxes: list[Box]) -> None:
        """Draws the parts of `data` that lie in `boxes`, screen coordinates, over what was there."""
        scale = data.framebuffer_scale
        self._prepare((round(data.display_size.x * scale.x), round(data.display_size.y * scale.y)))
        buffers = [drawn.cmd_buffer for drawn in data.cmd_lists]
        commands = [buffer[i] for buffer in buffers for i in range(len(buffer))]     # iterating would copy them
        clips = [(c.clip_rect.x, c.clip_rect.y, c.clip_rect.z, c.clip_rect.w) for c in commands]
        for box in boxes:
            self._clear(box, scale.x, scale.y)
            for command, clip in zip(commands, clips):
                command.clip_rect = ImVec4(max(clip[0], box[0]), max(clip[1], box[1]),
                                           min(clip[2], box[2]), min(clip[3], box[3]))
            imgui.backends.opengl3_render_draw_data(data)
        for command, clip in zip(commands, clips):
            command.clip_rect = ImVec4(*clip)
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, 0)

    def _prepare(self, size: tuple[int, int]) -> None:
        """Binds the texture, one of `size` (width, height)."""
        if not self._frame:
            self._frame, self._texture = int(GL.glGenFramebuffers(1)), int(GL.glGenTextures(1))
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._frame)
        if size == self._size:
            return
        self._size = size
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._texture)
        GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGBA8, *size, 0, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, None)
        GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MIN_FILTER, GL.GL_NEAREST)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
        GL.glFramebufferTexture2D(GL.GL_FRAMEBUFFER, GL.GL_COLOR_ATTACHMENT0, GL.GL_TEXTURE_2D, self._texture, 0)

    def _clear(self, box: Box, across: float, down: float) -> None:
        """Fills a box with the background; `across`, `down`: pixels in a screen coordinate."""
        (width, height), background = self._size, theme.color("panel")
        x0, x1 = (min(max(round(x * across), 0), width) for x in (box[0], box[2]))
        y0, y1 = (min(max(round(y * down), 0), height) for y in (box[1], box[3]))
        GL.glEnable(GL.GL_SCISSOR_TEST)
        GL.glScissor(x0, height - y1, x1 - x0, y1 - y0)
        GL.glClearColor(background.x, background.y, background.z, 1.0)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT)
        GL.glDisable(GL.GL_SCISSOR_TEST)

    def copy(self) -> None:
        """Into the window's back buffer."""
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._frame)
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, 0)
        GL.glBlitFramebuffer(0, 0, *self._size, 0, 0, *self._size, GL.GL_COLOR_BUFFER_BIT, GL.GL_NEAREST)
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, 0)

    def pixels(self) -> np.ndarray:
        """uint8 [H, W, 3]."""
        width, height = self._size
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._frame)
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)
        data = GL.glReadPixels(0, 0, width, height, GL.GL_RGB, GL.GL_UNSIGNED_BYTE)
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, 0)
        return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(height, width, 3)[::-1])
