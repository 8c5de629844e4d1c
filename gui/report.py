"""The report: where every named widget is and what the window knows, so that tests and scripts find things by name.

Off unless the environment names a file: STYLESCOPE_REPORT=FILE. The file is JSON, replaced atomically whenever a frame
differs from the one before:

    {"frame": n, "mouse": [x, y], "pressed": bool, "widgets": {"Panel/Name": [x0, y0, x1, y1]}, ..facts}

Rectangles are in window pixels, clipped to what can be clicked; widgets scrolled out of sight are listed as "hidden".
"""
from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgui_bundle import imgui

_file = os.environ.get("STYLESCOPE_REPORT", "")
_panel = ""
_widgets: dict[str, list[int]] = {}
_hidden: dict[str, list[int]] = {}
_published: dict[str, Any] = {}


@contextmanager
def panel(name: str) -> Iterator[None]:
    """Widgets marked inside are listed as 'name/..'."""
    global _panel
    before, _panel = _panel, name
    try:
        yield
    finally:
        _panel = before


def mark(name: str) -> None:
    """Lists the ImGui item that was just drawn."""
    if _file:
        low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
        mark_rectangle(name, low.x, low.y, high.x, high.y)


def mark_rectangle(name: str, x0: float, y0: float, x1: float, y1: float) -> None:
    if not _file or imgui.internal.get_current_window().hidden:      # a popup is laid out before it is shown
        return
    draw = imgui.get_window_draw_list()
    low, high = draw.get_clip_rect_min(), draw.get_clip_rect_max()
    seen = [round(max(x0, low.x)), round(max(y0, low.y)), round(min(x1, high.x)), round(min(y1, high.y))]
    visible = seen[2] - seen[0] > 1 and seen[3] - seen[1] > min(6, y1 - y0 - 1)
    name = f"{_panel}/{name}" if _panel else name
    (_widgets if visible else _hidden)[name] = seen if visible else [round(v) for v in (x0, y0, x1, y1)]


def mark_tab() -> None:
    """Lists the tab of the docked window that has just begun as 'Panel/Tab'."""
    if _file and imgui.is_window_docked():
        rectangle = imgui.internal.get_current_window().dc.dock_tab_item_rect
        low, high = rectangle.min, rectangle.max
        _widgets[f"{_panel}/Tab"] = [round(v) for v in (low.x, low.y, high.x, high.y)]


def publish(facts: dict[str, Any]) -> None:
    """Ends a frame: writes what was marked since the last one, with `facts`, if any of it is new."""
    global _published
    if not _file:
        return
    mouse = imgui.get_mouse_pos()
    page = {"widgets": dict(_widgets), "hidden": dict(_hidden), "mouse": [round(mouse.x), round(mouse.y)],
            "pressed": imgui.is_mouse_down(0), **facts}
    _widgets.clear()
    _hidden.clear()
    if page != _published:
        _published = page
        part = Path(_file + ".part")
        part.write_text(json.dumps({"frame": imgui.get_frame_count(), **page}, default=repr))
        os.replace(part, _file)


def enabled() -> bool:
    return bool(_file)
