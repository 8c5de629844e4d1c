"""Keys by name, as shortcuts are written: by the letters on the person's own keyboard."""
from __future__ import annotations

from imgui_bundle import imgui  # noqa: F401  before glfw: the first import decides which libglfw is loaded

import glfw  # isort:skip

NAMED_KEYS = {glfw.KEY_SPACE: "Space", glfw.KEY_ESCAPE: "Esc", glfw.KEY_TAB: "Tab", glfw.KEY_LEFT: "Left",
              glfw.KEY_RIGHT: "Right", glfw.KEY_UP: "Up", glfw.KEY_DOWN: "Down", glfw.KEY_EQUAL: "Plus",
              glfw.KEY_KP_ADD: "Plus", glfw.KEY_MINUS: "Minus", glfw.KEY_KP_SUBTRACT: "Minus", glfw.KEY_F1: "F1",
              glfw.KEY_F11: "F11", glfw.KEY_PAGE_UP: "PageUp", glfw.KEY_PAGE_DOWN: "PageDown"}


def chord(key: int, scancode: int, modifiers: int) -> str:
    """'Ctrl+O' by the letters on the person's own keyboard; the Mac's command key counts as Ctrl."""
    name = NAMED_KEYS.get(key) or (glfw.get_key_name(key, scancode) or "").upper()
    if (key > 0 and not name.isascii()) or glfw.KEY_0 <= key <= glfw.KEY_9:    # Cyrillic; French
        name = chr(key)
    name = {"+": "Plus", "-": "Minus"}.get(name, name)
    ctrl, shift = modifiers & (glfw.MOD_CONTROL | glfw.MOD_SUPER), modifiers & glfw.MOD_SHIFT and name != "Plus"
    return f"{'Ctrl+' if ctrl else ''}{'Shift+' if shift else ''}{name}"
