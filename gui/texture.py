"""Pictures on the graphics card, and the canvas that shows one at exactly the screen's pixels.

ImGui draws every image with bilinear sampling. So a picture is first drawn into a texture as large as its place on the
screen, sharp where it is magnified, and that texture is shown pixel by pixel. Where it would be minified, a smaller one
is made of it before, once for every size: panning costs nothing more.
"""
from __future__ import annotations

import numpy as np
from imgui_bundle import ImVec2, imgui
from OpenGL import GL
from PIL import Image

from gui import theme

_VERTEX = """#version 330
uniform vec4 rectangle;                  // x0, y0, x1, y1 in clip space
out vec2 position;
void main() {
    position = vec2(gl_VertexID & 1, gl_VertexID >> 1);
    gl_Position = vec4(mix(rectangle.xy, rectangle.zw, position), 0.0, 1.0);
}"""
# A pixel of the screen is the mean over the part of a picture's pixel that it covers: sharp, and every pixel as large
# as any other. Lines between large pixels stand out from their colour, by luminance (ITU-R BT.709).
_FRAGMENT = """#version 330
uniform sampler2D picture;
uniform float covered;                   // pixels of the picture to one of the screen, at most 1
uniform float lines;                     // opacity of the pixel grid
in vec2 position;
out vec4 color;
void main() {
    vec2 size = vec2(textureSize(picture, 0)), at = position * size, edge = floor(at + 0.5);
    vec2 shift = clamp((at - edge) / covered, -0.5, 0.5);
    vec3 shown = textureLod(picture, (edge + shift) / size, 0.0).rgb;
    vec2 beside = fract(at);
    if (lines > 0.0 && min(beside.x, beside.y) < covered)
        shown = mix(shown, vec3(dot(shown, vec3(0.2126, 0.7152, 0.0722)) < 0.15), lines);
    color = vec4(shown, 1.0);
}"""
_CHECKERS = """#version 330
uniform vec3 shade;
uniform float side;                      // of a square, in pixels
out vec4 color;
void main() {
    vec2 square = floor(gl_FragCoord.xy / side);
    if (mod(square.x + square.y, 2.0) > 0.5)
        discard;
    color = vec4(shade, 1.0);
}"""

Rectangle = tuple[float, float, float, float]        # x0, y0, x1, y1
REDUCING_GAP = 4.0                       # of Pillow: whole pixels are averaged first, down to so many times the size
_versions: dict[int, int] = {}


def version(texture: int) -> int:
    """How often its content changed: a frame that shows the same textures as before may still look different."""
    return _versions.get(texture, 0)


def redrawn(texture: int) -> None:
    """Counts that the content of a texture changed, though nothing that refers to it did."""
    _versions[texture] = version(texture) + 1


class Texture:
    """A picture."""

    def __init__(self):
        self.id = 0
        self.width = 0                   # in pixels on the card
        self._shown: np.ndarray | None = None

    def show(self, picture: np.ndarray) -> None:
        """Uploads uint8 [H, W, 3], unless it is the very array that is shown already."""
        if picture is self._shown:
            return
        self.id = self.id or int(GL.glGenTextures(1))
        pixels = _within_limits(picture)
        height, self.width, _ = pixels.shape
        GL.glBindTexture(GL.GL_TEXTURE_2D, self.id)
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGB8, self.width, height, 0, GL.GL_RGB, GL.GL_UNSIGNED_BYTE,
                        np.ascontiguousarray(pixels))
        _set_filters(GL.GL_LINEAR)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
        self._shown = picture
        redrawn(self.id)

    def delete(self) -> None:
        if self.id:
            GL.glDeleteTextures(1, [self.id])
        self.id, self._shown = 0, None


def _within_limits(picture: np.ndarray) -> np.ndarray:
    """Averaged down, if it is larger than the graphics card takes."""
    factor = -(-max(picture.shape[:2]) // int(GL.glGetIntegerv(GL.GL_MAX_TEXTURE_SIZE)))
    return np.asarray(Image.fromarray(picture).reduce(factor)) if factor > 1 else picture


def minified(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`picture`, uint8 [H, W, 3], at a smaller `size` (width, height).

    Minified by r, a pixel is a mean weighted by a tent that reaches r pixels of the picture to each side, so that
    little passes from beyond the smaller one's Nyquist frequency.
    """
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP))


class Canvas:
    """A place on the screen with a picture in it."""

    def __init__(self):
        self.picture = Texture()
        self._target = self._frame = self._program = self._checkers = self._vertices = 0
        self._drawn: tuple | None = None     # what the target holds: picture, size, rectangle, ..
        self._minified: tuple | None = None  # a picture, a size, and the picture at that size

    def draw(self, draw: imgui.ImDrawList, picture: np.ndarray, place: Rectangle, rectangle: Rectangle,
             checkered: bool = False, lines: float = 0.0) -> None:
        """Adds `picture`, uint8 [H, W, 3], to a draw list: over `rectangle`, as far as that lies inside `place`.

        Both in screen coordinates; `place` has whole corners and is filled, where the picture leaves room, with the
        grey or checkered backdrop. `lines`: opacity of the lines between its pixels.
        """
        scale = imgui.get_io().display_framebuffer_scale
        x0, y0, x1, y1 = place
        size = round((x1 - x0) * scale.x), round((y1 - y0) * scale.y)
        if min(size) < 1:
            return
        inside = tuple((v - o) * s for v, o, s in zip(rectangle, (x0, y0) * 2, (scale.x, scale.y) * 2))
        picture, inside = self._fitting(picture, inside)
        wanted = (id(picture), size, inside, checkered, lines, theme.ink("backdrop"))
        if wanted != self._drawn:
            self.picture.show(picture)       # keeps it alive, so that its id stays its own
            self._redraw(size, inside, checkered, lines)
            self._drawn = wanted
        draw.add_image(imgui.ImTextureRef(self._target), ImVec2(x0, y0), ImVec2(x1, y1))

    def _fitting(self, picture: np.ndarray, inside: Rectangle) -> tuple[np.ndarray, Rectangle]:
        """What to draw, and where: a picture to be minified becomes one of as many pixels as it covers."""
        width, height = (max(round(inside[i + 2] - inside[i]), 1) for i in (0, 1))
        if width >= picture.shape[1]:
            self._minified = None
            return picture, inside
        if self._minified is None or self._minified[0] is not picture or self._minified[1] != (width, height):
            self._minified = picture, (width, height), minified(picture, (width, height))
        left, top = round(inside[0]), round(inside[1])
        return self._minified[2], (left, top, left + width, top + height)

    def _redraw(self, size: tuple[int, int], inside: Rectangle, checkered: bool, lines: float) -> None:
        width, height = size
        self._prepare(size)
        redrawn(self._target)
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._frame)
        GL.glViewport(0, 0, width, height)
        GL.glDisable(GL.GL_SCISSOR_TEST)
        GL.glDisable(GL.GL_BLEND)
        GL.glBindVertexArray(self._vertices)
        self._draw_backdrop(checkered)
        GL.glUseProgram(self._program)
        GL.glBindTexture(GL.GL_TEXTURE_2D, self.picture.id)
        clip = [2 * v / s - 1 for v, s in zip(inside, (width, height) * 2)]
        GL.glUniform4f(GL.glGetUniformLocation(self._program, "rectangle"), *clip)
        GL.glUniform1f(GL.glGetUniformLocation(self._program, "covered"),
                       self.picture.width / (inside[2] - inside[0]))
        GL.glUniform1f(GL.glGetUniformLocation(self._program, "lines"), lines)
        GL.glDrawArrays(GL.GL_TRIANGLE_STRIP, 0, 4)
        GL.glBindVertexArray(0)
        GL.glUseProgram(0)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, 0)

    def _draw_backdrop(self, checkered: bool) -> None:
        """Fills the bound target."""
        plain, other = theme.color("backdrop"), theme.color("checker")
        GL.glClearColor(plain.x, plain.y, plain.z, 1)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT)
        if not checkered:
            return
        GL.glUseProgram(self._checkers)
        GL.glUniform4f(GL.glGetUniformLocation(self._checkers, "rectangle"), -1, -1, 1, 1)
        GL.glUniform3f(GL.glGetUniformLocation(self._checkers, "shade"), other.x, other.y, other.z)
        GL.glUniform1f(GL.glGetUniformLocation(self._checkers, "side"), max(round(theme.em(0.8)), 1))
        GL.glDrawArrays(GL.GL_TRIANGLE_STRIP, 0, 4)

    def _prepare(self, size: tuple[int, int]) -> None:
        """Makes what is drawn with, at first, and a target of another size, when it changed."""
        if not self._program:
            self._program, self._checkers = _build_program(_FRAGMENT), _build_program(_CHECKERS)
            self._vertices = int(GL.glGenVertexArrays(1))
            self._frame, self._target = int(GL.glGenFramebuffers(1)), int(GL.glGenTextures(1))
        if self._drawn is not None and self._drawn[1] == size:
            return
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._target)
        GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGBA8, *size, 0, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, None)
        _set_filters(GL.GL_NEAREST)
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._frame)
        GL.glFramebufferTexture2D(GL.GL_FRAMEBUFFER, GL.GL_COLOR_ATTACHMENT0, GL.GL_TEXTURE_2D, self._target, 0)

    def clear(self) -> None:
        """Lets go of the picture."""
        self.picture.delete()
        self._drawn = self._minified = None

    def close(self) -> None:
        self.clear()
        if self._program:
            GL.glDeleteProgram(self._program)
            GL.glDeleteProgram(self._checkers)
            GL.glDeleteVertexArrays(1, [self._vertices])
            GL.glDeleteFramebuffers(1, [self._frame])
            GL.glDeleteTextures(1, [self._target])
        self._target = self._frame = self._program = self._checkers = self._vertices = 0


def _set_filters(sampling: int) -> None:
    for parameter, value in ((GL.GL_TEXTURE_MAG_FILTER, sampling), (GL.GL_TEXTURE_MIN_FILTER, sampling),
                             (GL.GL_TEXTURE_WRAP_S, GL.GL_CLAMP_TO_EDGE), (GL.GL_TEXTURE_WRAP_T, GL.GL_CLAMP_TO_EDGE)):
        GL.glTexParameteri(GL.GL_TEXTURE_2D, parameter, value)


def _build_program(fragment: str) -> int:
    """Raises RuntimeError with the driver's words if it refuses the shaders."""
    program = GL.glCreateProgram()
    for kind, source in ((GL.GL_VERTEX_SHADER, _VERTEX), (GL.GL_FRAGMENT_SHADER, fragment)):
        shader = GL.glCreateShader(kind)
        GL.glShaderSource(shader, source)
        GL.glCompileShader(shader)
        GL.glAttachShader(program, shader)
        GL.glDeleteShader(shader)
    GL.glLinkProgram(program)
    if not GL.glGetProgramiv(program, GL.GL_LINK_STATUS):
        raise RuntimeError(f"OpenGL refused a shader: {GL.glGetProgramInfoLog(program)}")
    return int(program)
