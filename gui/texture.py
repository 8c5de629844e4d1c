"""Pictures on the graphics card, and the canvas that shows one at exactly the screen's pixels.

ImGui draws every image with bilinear sampling. So a picture is first drawn into a texture as large as its place on the
screen, nearest where it is magnified and mipmapped where it is minified, and that texture is shown pixel by pixel.
"""
from __future__ import annotations

import numpy as np
from imgui_bundle import ImVec2, imgui

from gui import gl, theme

_VERTEX = """#version 330
uniform vec4 rectangle;                  // x0, y0, x1, y1 in clip space
out vec2 position;
void main() {
    position = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    gl_Position = vec4(mix(rectangle.xy, rectangle.zw, position), 0.0, 1.0);
}"""
_FRAGMENT = """#version 330
uniform sampler2D picture;
in vec2 position;
out vec4 color;
void main() { color = vec4(texture(picture, position).rgb, 1.0); }"""

Rectangle = tuple[float, float, float, float]        # x0, y0, x1, y1
_redraws = 0


def redraws() -> int:
    """How often any canvas was drawn anew: a frame that shows the same canvases as before may still look different."""
    return _redraws


class Texture:
    """A picture, nearest when magnified, mipmapped when minified."""

    def __init__(self):
        self.id = 0
        self._shown: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels; (0, 0) when empty."""
        return self._shown.shape[:2] if self._shown is not None else (0, 0)

    def show(self, picture: np.ndarray) -> None:
        """Uploads uint8 [H, W, 3], unless it is the very array that is shown already."""
        if picture is self._shown:
            return
        self.id = self.id or gl.new(gl.gen_textures)
        height, width, _ = picture.shape
        gl.bind_texture(gl.TEXTURE_2D, self.id)
        gl.pixel_store(gl.UNPACK_ALIGNMENT, 1)
        gl.tex_image_2d(gl.TEXTURE_2D, 0, gl.RGB8, width, height, 0, gl.RGB, gl.UNSIGNED_BYTE,
                        np.ascontiguousarray(picture).ctypes.data)
        gl.generate_mipmap(gl.TEXTURE_2D)
        _set_filters(gl.NEAREST, gl.LINEAR_MIPMAP_LINEAR)
        gl.bind_texture(gl.TEXTURE_2D, 0)
        self._shown = picture

    def delete(self) -> None:
        if self.id:
            gl.delete(gl.delete_textures, self.id)
        self.id, self._shown = 0, None


class Canvas:
    """A place on the screen with a picture in it."""

    def __init__(self):
        self.picture = Texture()
        self._target = self._frame = self._program = self._vertices = 0
        self._drawn: tuple | None = None     # what the target holds: picture, size and rectangle

    def draw(self, draw: imgui.ImDrawList, picture: np.ndarray, place: Rectangle, rectangle: Rectangle,
             checkered: bool = False) -> None:
        """Adds `picture`, uint8 [H, W, 3], to a draw list: over `rectangle`, as far as that lies inside `place`.

        Both in screen coordinates; `place` has whole corners and is filled, where the picture leaves room, with the
        grey or checkered backdrop.
        """
        scale = imgui.get_io().display_framebuffer_scale
        x0, y0, x1, y1 = place
        size = round((x1 - x0) * scale.x), round((y1 - y0) * scale.y)
        if min(size) < 1:
            return
        inside = tuple((v - o) * s for v, o, s in zip(rectangle, (x0, y0) * 2, (scale.x, scale.y) * 2))
        wanted = (id(picture), size, inside, checkered)
        if wanted != self._drawn:
            self.picture.show(picture)       # keeps it alive, so that its id stays its own
            self._redraw(size, inside, checkered)
            self._drawn = wanted
        draw.add_image(imgui.ImTextureRef(self._target), ImVec2(x0, y0), ImVec2(x1, y1))

    def _redraw(self, size: tuple[int, int], inside: Rectangle, checkered: bool) -> None:
        global _redraws
        _redraws += 1
        width, height = size
        self._prepare(size)
        gl.bind_framebuffer(gl.FRAMEBUFFER, self._frame)
        gl.viewport(0, 0, width, height)
        gl.disable(gl.SCISSOR_TEST)
        gl.disable(gl.BLEND)
        _draw_backdrop(size, checkered)
        gl.use_program(self._program)
        gl.bind_vertex_array(self._vertices)
        gl.bind_texture(gl.TEXTURE_2D, self.picture.id)
        clip = [2 * v / s - 1 for v, s in zip(inside, (width, height) * 2)]
        gl.uniform_4f(gl.get_uniform_location(self._program, b"rectangle"), *clip)
        gl.draw_arrays(gl.TRIANGLE_STRIP, 0, 4)
        gl.bind_vertex_array(0)
        gl.use_program(0)
        gl.bind_texture(gl.TEXTURE_2D, 0)
        gl.bind_framebuffer(gl.FRAMEBUFFER, 0)

    def _prepare(self, size: tuple[int, int]) -> None:
        """Makes what is drawn with, at first, and a target of another size, when it changed."""
        if not self._program:
            self._program, self._vertices = gl.build_program(_VERTEX, _FRAGMENT), gl.new(gl.gen_vertex_arrays)
            self._frame, self._target = gl.new(gl.gen_framebuffers), gl.new(gl.gen_textures)
        if self._drawn is not None and self._drawn[1] == size:
            return
        gl.bind_texture(gl.TEXTURE_2D, self._target)
        gl.tex_image_2d(gl.TEXTURE_2D, 0, gl.RGBA8, *size, 0, gl.RGBA, gl.UNSIGNED_BYTE, None)
        _set_filters(gl.NEAREST, gl.NEAREST)
        gl.bind_framebuffer(gl.FRAMEBUFFER, self._frame)
        gl.framebuffer_texture_2d(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, self._target, 0)

    def clear(self) -> None:
        """Lets go of the picture."""
        self.picture.delete()
        self._drawn = None

    def close(self) -> None:
        self.clear()
        if self._program:
            gl.delete_program(self._program)
            gl.delete(gl.delete_vertex_arrays, self._vertices)
            gl.delete(gl.delete_framebuffers, self._frame)
            gl.delete(gl.delete_textures, self._target)
        self._target = self._frame = self._program = self._vertices = 0


def _draw_backdrop(size: tuple[int, int], checkered: bool) -> None:
    """Fills the bound target."""
    plain, other = theme.color("backdrop"), theme.color("checker")
    gl.clear_color(plain.x, plain.y, plain.z, 1)
    gl.clear(gl.COLOR_BUFFER_BIT)
    if not checkered:
        return
    side = max(round(theme.em(0.8)), 1)
    gl.enable(gl.SCISSOR_TEST)
    gl.clear_color(other.x, other.y, other.z, 1)
    for y in range(0, size[1], side):
        for x in range(y // side % 2 * side, size[0], 2 * side):
            gl.scissor(x, y, side, side)
            gl.clear(gl.COLOR_BUFFER_BIT)
    gl.disable(gl.SCISSOR_TEST)


def _set_filters(magnified: int, minified: int) -> None:
    for parameter, value in ((gl.TEXTURE_MAG_FILTER, magnified), (gl.TEXTURE_MIN_FILTER, minified),
                             (gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE), (gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE)):
        gl.tex_parameter(gl.TEXTURE_2D, parameter, value)
