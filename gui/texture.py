"""Pictures on the graphics card: uploaded when they change, nearest when magnified, mipmapped when minified."""
from __future__ import annotations

import numpy as np
from imgui_bundle import imgui
from OpenGL import GL


class Texture:
    """One OpenGL texture that shows the latest picture it was given."""

    def __init__(self):
        self._id = 0
        self._shown: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels; (0, 0) when empty."""
        return self._shown.shape[:2] if self._shown is not None else (0, 0)

    @property
    def ref(self) -> imgui.ImTextureRef:
        return imgui.ImTextureRef(self._id)

    def show(self, picture: np.ndarray) -> Texture:
        """Uploads uint8 [H, W, 3], unless it is the very array that is shown already."""
        if picture is not self._shown:
            self._upload(picture)
            self._shown = picture
        return self

    def _upload(self, picture: np.ndarray) -> None:
        height, width, _ = picture.shape
        if not self._id:
            self._id = int(GL.glGenTextures(1))
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._id)
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGB8, width, height, 0, GL.GL_RGB, GL.GL_UNSIGNED_BYTE,
                        np.ascontiguousarray(picture))
        GL.glGenerateMipmap(GL.GL_TEXTURE_2D)
        for parameter, value in ((GL.GL_TEXTURE_MAG_FILTER, GL.GL_NEAREST),
                                 (GL.GL_TEXTURE_MIN_FILTER, GL.GL_LINEAR_MIPMAP_LINEAR),
                                 (GL.GL_TEXTURE_WRAP_S, GL.GL_CLAMP_TO_EDGE), (GL.GL_TEXTURE_WRAP_T, GL.GL_CLAMP_TO_EDGE)):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, parameter, value)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)

    def delete(self) -> None:
        if self._id:
            GL.glDeleteTextures(1, [self._id])
        self._id, self._shown = 0, None
