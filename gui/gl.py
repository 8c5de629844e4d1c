"""The few OpenGL 3.3 functions and numbers the window uses, found through glfw at their first call.

Names are those of the standard without their prefix. A full binding would cost 0.4 s at start.
"""
from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char, c_char_p, c_float, c_int, c_uint, c_void_p

import imgui_bundle  # noqa: F401  before glfw: the first import decides which libglfw is loaded

import glfw  # isort:skip

COLOR_BUFFER_BIT, TRIANGLE_STRIP = 0x4000, 0x0005
BLEND, SCISSOR_TEST = 0x0BE2, 0x0C11
UNSIGNED_BYTE, RGB, RGBA, RGB8, RGBA8 = 0x1401, 0x1907, 0x1908, 0x8051, 0x8058
PACK_ALIGNMENT, UNPACK_ALIGNMENT = 0x0D05, 0x0CF5
TEXTURE_2D, TEXTURE_MAG_FILTER, TEXTURE_MIN_FILTER = 0x0DE1, 0x2800, 0x2801
TEXTURE_WRAP_S, TEXTURE_WRAP_T, CLAMP_TO_EDGE = 0x2802, 0x2803, 0x812F
NEAREST, LINEAR_MIPMAP_LINEAR = 0x2600, 0x2703
FRAMEBUFFER, COLOR_ATTACHMENT0 = 0x8D40, 0x8CE0
VERTEX_SHADER, FRAGMENT_SHADER, LINK_STATUS = 0x8B31, 0x8B30, 0x8B82
RENDERER, VERSION = 0x1F01, 0x1F02


class Function:
    """A function of the current context. Raises RuntimeError at the first call if the driver lacks it."""

    def __init__(self, name: str, *arguments, result=None):
        self._name, self._type, self._call = name, ctypes.PYFUNCTYPE(result, *arguments), None

    def __call__(self, *values):
        if self._call is None:
            address = glfw.get_proc_address(self._name)
            if not address:
                raise RuntimeError(f"this OpenGL has no {self._name}")
            self._call = self._type(address)
        return self._call(*values)


ints = POINTER(c_int)
uints = POINTER(c_uint)
get_string = Function("glGetString", c_uint, result=c_char_p)
enable, disable = Function("glEnable", c_uint), Function("glDisable", c_uint)
viewport = Function("glViewport", c_int, c_int, c_int, c_int)
scissor = Function("glScissor", c_int, c_int, c_int, c_int)
clear_color = Function("glClearColor", c_float, c_float, c_float, c_float)
clear = Function("glClear", c_uint)
pixel_store = Function("glPixelStorei", c_uint, c_int)
read_pixels = Function("glReadPixels", c_int, c_int, c_int, c_int, c_uint, c_uint, c_void_p)

gen_textures, delete_textures = Function("glGenTextures", c_int, uints), Function("glDeleteTextures", c_int, uints)
bind_texture = Function("glBindTexture", c_uint, c_uint)
tex_image_2d = Function("glTexImage2D", c_uint, c_int, c_int, c_int, c_int, c_int, c_uint, c_uint, c_void_p)
tex_parameter = Function("glTexParameteri", c_uint, c_uint, c_int)
generate_mipmap = Function("glGenerateMipmap", c_uint)

gen_framebuffers = Function("glGenFramebuffers", c_int, uints)
delete_framebuffers = Function("glDeleteFramebuffers", c_int, uints)
bind_framebuffer = Function("glBindFramebuffer", c_uint, c_uint)
framebuffer_texture_2d = Function("glFramebufferTexture2D", c_uint, c_uint, c_uint, c_uint, c_int)

gen_vertex_arrays = Function("glGenVertexArrays", c_int, uints)
delete_vertex_arrays = Function("glDeleteVertexArrays", c_int, uints)
bind_vertex_array = Function("glBindVertexArray", c_uint)
draw_arrays = Function("glDrawArrays", c_uint, c_int, c_int)

create_program, delete_program = Function("glCreateProgram", result=c_uint), Function("glDeleteProgram", c_uint)
create_shader = Function("glCreateShader", c_uint, result=c_uint)
delete_shader = Function("glDeleteShader", c_uint)
shader_source = Function("glShaderSource", c_uint, c_int, POINTER(c_char_p), ints)
compile_shader = Function("glCompileShader", c_uint)
attach_shader = Function("glAttachShader", c_uint, c_uint)
link_program, use_program = Function("glLinkProgram", c_uint), Function("glUseProgram", c_uint)
get_program = Function("glGetProgramiv", c_uint, c_uint, ints)
get_program_info_log = Function("glGetProgramInfoLog", c_uint, c_int, ints, POINTER(c_char))
get_uniform_location = Function("glGetUniformLocation", c_uint, c_char_p, result=c_int)
uniform_4f = Function("glUniform4f", c_int, c_float, c_float, c_float, c_float)


def new(generate: Function) -> int:
    """One object from gen_textures, gen_framebuffers, .."""
    name = c_uint()
    generate(1, ctypes.byref(name))
    return name.value


def delete(remove: Function, name: int) -> None:
    """One object to delete_textures, delete_framebuffers, .."""
    remove(1, ctypes.byref(c_uint(name)))


def build_program(vertex: str, fragment: str) -> int:
    """Compiles and links GLSL. Raises RuntimeError with the driver's words if it refuses."""
    program = create_program()
    for kind, source in ((VERTEX_SHADER, vertex), (FRAGMENT_SHADER, fragment)):
        shader = create_shader(kind)
        shader_source(shader, 1, ctypes.byref(c_char_p(source.encode())), None)
        compile_shader(shader)
        attach_shader(program, shader)
        delete_shader(shader)
    link_program(program)
    linked, log = c_int(), ctypes.create_string_buffer(2000)
    get_program(program, LINK_STATUS, ctypes.byref(linked))
    if not linked.value:
        get_program_info_log(program, len(log), None, log)
        raise RuntimeError(f"OpenGL refused a shader: {log.value.decode(errors='replace')}")
    return program
