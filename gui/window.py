"""The window: glfw, an OpenGL 3.3 context, ImGui inside it, the monitor's scale, dropped files, keys."""
from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import OpenGL

OpenGL.ERROR_CHECKING = False            # a glGetError after every call doubles the frame time
OpenGL.ERROR_ON_COPY = True
from imgui_bundle import imgui, implot  # noqa: E402  before glfw: the first import decides which libglfw is loaded

import glfw  # noqa: E402  isort:skip
from OpenGL import GL  # noqa: E402

from gui import fonts, theme  # noqa: E402
from gui.damage import Damage  # noqa: E402
from gui.keys import chord  # noqa: E402
from gui.screen import Screen  # noqa: E402
from gui.words import readable  # noqa: E402

HEADLESS = "`visualizer.py render`, `info` and `doctor` work without a window"


class WindowError(Exception):
    """No window can be opened here. `str(error)` is one sentence that names what works instead."""


class Window:
    """One open window. `size` is in pixels at 100 %; `zoom` multiplies the monitor's scale."""

    def __init__(self, title: str, size: tuple[int, int] = (1280, 800), zoom: float = 1.0, look: str = "dark",
                 position: tuple[int, ...] = (), maximized: bool = False):
        self._dropped: list[str] = []    # files dropped on the window since they were last taken
        self._chords: list[str] = []
        self.zoom, self.look, self._title = zoom, look, title
        self._styled: tuple[float, str] | None = None    # scale and look that ImGui's style has
        self._before: tuple[int, ...] = ()   # position and size that full screen came from
        self._woken = self._changed = True
        self._damage, self._screen = Damage(), Screen()
        self.handle = _open(title, size)
        _place(self.handle, position, maximized)
        self._listen()
        self._context = imgui.create_context()
        implot.create_context()
        self._configure()
        self.regular, self.bold = fonts.load(theme.FONT_SIZE)
        imgui.backends.glfw_init_for_opengl(ctypes.cast(self.handle, ctypes.c_void_p).value, True)
        imgui.backends.opengl3_init("#version 330")
        self.scale = 0.0
        self.follow_scale()

    # -- events -------------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Set before ImGui's backend, which calls these in turn."""
        def woken(*_):
            self._woken = True

        def key(_, key, scancode, action, modifiers):
            self._woken = True
            if action != glfw.RELEASE:
                self._chords.append(chord(key, scancode, modifiers))

        def exposed(*_):
            self._damage.forget()
            self._woken = True

        def dropped(_, paths):
            self._dropped += [str(path) for path in paths]
            self._woken = True

        def character(_, codepoint):
            self._woken = True
            if chr(codepoint) == "?":        # wherever the keyboard has it
                self._chords.append("?")

        for listen in (glfw.set_cursor_pos_callback, glfw.set_mouse_button_callback, glfw.set_scroll_callback,
                       glfw.set_window_focus_callback, glfw.set_cursor_enter_callback,
                       glfw.set_window_content_scale_callback):
            listen(self.handle, woken)
        for listen in (glfw.set_framebuffer_size_callback, glfw.set_window_refresh_callback):
            listen(self.handle, exposed)
        glfw.set_key_callback(self.handle, key)
        glfw.set_char_callback(self.handle, character)
        glfw.set_drop_callback(self.handle, dropped)

    def wait(self, seconds: float | None) -> bool:
        """Sleeps until an event, a `wake` or, unless None, `seconds` have passed. True: something happened."""
        start = time.perf_counter()
        if seconds is None:
            glfw.wait_events()
        elif seconds > 0:
            glfw.wait_events_timeout(seconds)
        else:
            glfw.poll_events()
        in_time = seconds is None or (seconds > 0 and time.perf_counter() - start < seconds)
        happened, self._woken = self._woken or in_time, False
        return happened or self._context.input_events_queue.size() > 0

    def take_dropped(self) -> list[str]:
        dropped, self._dropped = self._dropped, []
        return dropped

    def take_chords(self) -> list[str]:
        """'Ctrl+Shift+S', 'F', ..: keys that went down or repeat since they were last taken.

        As glfw tells them: ImGui would lose Ctrl where a quick Ctrl+S begins and ends within one frame.
        """
        chords, self._chords = self._chords, []
        return chords

    @staticmethod
    def wake() -> None:
        """Ends a `wait`. The one call that is allowed from other threads."""
        glfw.post_empty_event()

    @property
    def closing(self) -> bool:
        return glfw.window_should_close(self.handle)

    # -- drawing ------------------------------------------------------------------------------------------------------

    @contextmanager
    def frame(self) -> Iterator[None]:
        """Everything drawn inside appears at the next `present`."""
        self._changed = False
        imgui.backends.opengl3_new_frame()
        imgui.backends.glfw_new_frame()
        imgui.new_frame()
        try:
            yield
        finally:
            imgui.render()
            boxes = self._damage.found(imgui.get_draw_data())
            self._changed = bool(boxes)
            if boxes:
                self._screen.draw(imgui.get_draw_data(), boxes)

    def present(self) -> None:
        """Shows the frame, if it differs from the one before."""
        if self._changed:
            self._screen.copy()
            glfw.swap_buffers(self.handle)

    def pixels(self) -> np.ndarray:
        """What the frame looks like, uint8 [H, W, 3]."""
        return self._screen.pixels()

    def follow_scale(self) -> float:
        """The UI scale, with the style fitted to it. Between frames only: the window may move to another monitor."""
        self.scale = monitor_scale(self.handle) * self.zoom
        if (self.scale, self.look) != self._styled:
            self._styled = self.scale, self.look
            theme.apply(*self._styled)
            self._damage.forget()        # the background, too, may be another
        return self.scale

    def _configure(self) -> None:
        io = imgui.get_io()
        io.config_flags |= imgui.ConfigFlags_.docking_enable
        io.set_ini_filename("")          # the layout is kept by gui.settings
        io.config_error_recovery_enable_assert = False       # a panel that fails must not take the window with it
        io.config_error_recovery_enable_tooltip = False
        io.config_input_text_cursor_blink = False    # a blinking caret would cost frames while idle
        io.config_windows_move_from_title_bar_only = True
        io.config_docking_always_tab_bar = True

    # -- the rest -----------------------------------------------------------------------------------------------------

    @property
    def full_screen(self) -> bool:
        return bool(self._before)

    def toggle_full_screen(self) -> None:
        """Fills the monitor that most of the window is on, or goes back to where it was."""
        if self._before:
            x, y, width, height = self._before
            glfw.set_window_monitor(self.handle, None, x, y, width, height, glfw.DONT_CARE)
            self._before = ()
        elif monitor := _monitor_of(_rectangle(self.handle)):
            self._before = _rectangle(self.handle)
            mode = glfw.get_video_mode(monitor)
            glfw.set_window_attrib(self.handle, glfw.AUTO_ICONIFY, False)    # a dialog takes the focus
            glfw.set_window_monitor(self.handle, monitor, 0, 0, mode.size.width, mode.size.height, mode.refresh_rate)
        self._damage.forget()

    @property
    def position(self) -> tuple[int, int]:
        """On the desktop, outside of full screen."""
        return (self._before or _rectangle(self.handle))[:2]

    @property
    def maximized(self) -> bool:
        return bool(glfw.get_window_attrib(self.handle, glfw.MAXIMIZED))

    @property
    def size(self) -> tuple[int, int]:
        """In pixels at 100 %, as the constructor takes it, outside of full screen."""
        width, height = (self._before or _rectangle(self.handle))[2:]
        scale = monitor_scale(self.handle)
        return round(width / scale), round(height / scale)

    @property
    def focused(self) -> bool:
        """Keys go to this window."""
        return bool(glfw.get_window_attrib(self.handle, glfw.FOCUSED))

    @property
    def typing(self) -> bool:
        """A text field takes them."""
        return imgui.get_io().want_text_input

    def set_title(self, title: str) -> None:
        if title != self._title:
            self._title = title
            glfw.set_window_title(self.handle, readable(title))

    def quit(self) -> None:
        glfw.set_window_should_close(self.handle, True)
        self.wake()

    def hide(self) -> None:
        glfw.hide_window(self.handle)

    def close(self) -> None:
        imgui.backends.opengl3_shutdown()
        imgui.backends.glfw_shutdown()
        implot.destroy_context()
        imgui.destroy_context()
        glfw.terminate()


def probe() -> str:
    """'OpenGL 4.5, llvmpipe (..)': what a window would be drawn with. Raises WindowError where none opens."""
    handle = _open("Stylescope", (64, 64), visible=False)
    try:
        version = GL.glGetString(GL.GL_VERSION).decode(errors="replace")
        return f"OpenGL {version}, {GL.glGetString(GL.GL_RENDERER).decode(errors='replace')}"
    finally:
        glfw.destroy_window(handle)
        glfw.terminate()


def _rectangle(handle) -> tuple[int, int, int, int]:
    """x, y, width, height on the desktop."""
    return (*glfw.get_window_pos(handle), *glfw.get_window_size(handle))


def _monitor_of(rectangle: tuple[int, ...]):
    """The monitor that shows most of a rectangle; None: none shows any."""
    x, y, width, height = rectangle

    def shared(monitor) -> int:
        (left, top), mode = glfw.get_monitor_pos(monitor), glfw.get_video_mode(monitor)
        across = min(x + width, left + mode.size.width) - max(x, left)
        down = min(y + height, top + mode.size.height) - max(y, top)
        return max(across, 0) * max(down, 0)
    best = max(glfw.get_monitors(), key=shared, default=None)
    return best if best and shared(best) else None


def _place(handle, position: tuple[int, ...], maximized: bool) -> None:
    """Puts a window where it was, if a monitor is there still."""
    if len(position) == 2 and _monitor_of((*position, *glfw.get_window_size(handle))):
        glfw.set_window_pos(handle, *position)
    if maximized:
        glfw.maximize_window(handle)


def monitor_scale(handle) -> float:
    """UI scale that the monitor asks for. On macOS coordinates are already scaled, so it is 1 there."""
    content, _ = glfw.get_window_content_scale(handle)
    points, pixels = glfw.get_window_size(handle)[0], glfw.get_framebuffer_size(handle)[0]
    return max(content * points / pixels, 0.5) if points and pixels else 1.0


def _open(title: str, size: tuple[int, int], visible: bool = True):
    glfw.ERROR_REPORTING = "ignore"      # said below, in one sentence
    if not glfw.init():
        raise WindowError(f"no display to open a window on ({_reason()}); {HEADLESS}")
    for hint, value in ((glfw.CONTEXT_VERSION_MAJOR, 3), (glfw.CONTEXT_VERSION_MINOR, 3),
                        (glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE), (glfw.OPENGL_FORWARD_COMPAT, True),
                        (glfw.SCALE_TO_MONITOR, True), (glfw.VISIBLE, visible)):
        glfw.window_hint(hint, value)
    handle = glfw.create_window(*_fitting(size), title, None, None)
    if not handle:
        reason = _reason()
        glfw.terminate()
        raise WindowError(f"the window needs OpenGL 3.3, which this display does not offer ({reason}); {HEADLESS}")
    glfw.make_context_current(handle)
    glfw.swap_interval(1)
    return handle


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    """`size`, made to fit the first monitor's work area. glfw multiplies by the monitor's scale."""
    monitor = glfw.get_primary_monitor()
    if not monitor:
        return size
    _, _, width, height = glfw.get_monitor_workarea(monitor)
    scale, _ = glfw.get_monitor_content_scale(monitor)
    return (min(size[0], max(int(width / scale), 320)), min(size[1], max(int(height / scale), 240)))


def _reason() -> str:
    _, text = glfw.get_error()
    text = text.decode(errors="replace") if isinstance(text, bytes) else text or "no reason given"
    return " ".join(text.split()).rstrip(".")
