"""A small file browser inside the window, for systems without a native dialog."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.words import file_size, readable

LIMIT = 5000                             # entries read from one folder


@dataclass(frozen=True)
class Entry:
    name: str
    is_folder: bool
    size: int                            # bytes; 0 for folders


def listing(folder: Path, folders_only: bool = False) -> list[Entry]:
    """Folders first, then files, by name; hidden ones left out. Raises OSError."""
    entries = []
    with os.scandir(folder) as scan:
        for _, item in zip(range(LIMIT), scan):
            try:
                is_folder = item.is_dir()
                size = 0 if is_folder else item.stat().st_size
            except OSError:
                continue
            if not item.name.startswith(".") and (is_folder or not folders_only):
                entries.append(Entry(item.name, is_folder, size))
    return sorted(entries, key=lambda e: (not e.is_folder, e.name.lower()))


class Browser:
    """A modal popup. When `done`, `chosen` is the path, or '' if cancelled."""

    def __init__(self, title: str, folder: str, folders_only: bool = False):
        self.done, self.chosen = False, ""
        self._title, self._folders_only = title, folders_only
        self._folder, self._text, self._problem = Path(), "", ""
        self._entries: list[Entry] = []
        self._opened = False
        self._enter(Path(folder or Path.home()))

    def _enter(self, folder: Path) -> None:
        try:
            folder = folder.expanduser().resolve()
            self._entries = listing(folder, self._folders_only)
            self._folder, self._text, self._problem = folder, readable(str(folder)), ""
        except OSError as error:
            self._problem = readable(f"{folder}: {error.strerror or error}")

    def draw(self) -> None:
        if not self._opened:
            imgui.open_popup(self._title)
            self._opened = True
        screen = imgui.get_main_viewport()
        size = ImVec2(min(theme.em(46), screen.size.x * 0.9), min(theme.em(32), screen.size.y * 0.85))
        imgui.set_next_window_size(size, imgui.Cond_.appearing)
        imgui.set_next_window_pos(screen.get_center(), imgui.Cond_.appearing, ImVec2(0.5, 0.5))
        with imgui_ctx.begin_popup_modal(self._title) as popup, report.panel("Browser"):
            if not popup:
                self.done = True
                return
            self._draw_path()
            self._draw_entries()
            self._draw_buttons()
            if self.done:
                imgui.close_current_popup()

    def _draw_path(self) -> None:
        if widgets.button("Up"):
            self._enter(self._folder.parent)
        imgui.same_line()
        if widgets.button("Home"):
            self._enter(Path.home())
        imgui.same_line()
        self._text, entered = widgets.text_field("Path", self._text)
        if entered:
            self._choose(Path(self._text))

    def _draw_entries(self) -> None:
        room = ImVec2(0, imgui.get_content_region_avail().y - imgui.get_frame_height_with_spacing() - theme.em(0.4))
        flags = imgui.TableFlags_.scroll_y | imgui.TableFlags_.row_bg
        with imgui_ctx.begin_table("entries", 2, flags, room) as table:
            if not table:
                return
            imgui.table_setup_column("name", imgui.TableColumnFlags_.width_stretch)
            imgui.table_setup_column("size", imgui.TableColumnFlags_.width_fixed, theme.em(6))
            for entry in list(self._entries):
                imgui.table_next_row()
                imgui.table_next_column()
                glyph = fonts.FOLDER if entry.is_folder else fonts.FILE
                flags = imgui.SelectableFlags_.span_all_columns
                if imgui.selectable(f"{glyph}  {readable(entry.name)}", False, flags)[0]:
                    self._choose(self._folder / entry.name)
                report.mark(entry.name)
                imgui.table_next_column()
                widgets.text("" if entry.is_folder else file_size(entry.size), "dim")

    def _draw_buttons(self) -> None:
        if self._folders_only:
            if widgets.button("Use this folder"):
                self.done, self.chosen = True, str(self._folder)
            imgui.same_line()
        if widgets.button("Cancel") or imgui.is_key_pressed(imgui.Key.escape):
            self.done = True
        if self._problem:
            imgui.same_line()
            widgets.clipped(self._problem, "error")

    def _choose(self, path: Path) -> None:
        if path.expanduser().is_dir():
            self._enter(path)
        elif path.is_file() and not self._folders_only:
            self.done, self.chosen = True, str(path)
        else:
            self._problem = f"{path} is not there"
