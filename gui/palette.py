"""The command palette: a few letters find any command, panel, layer, demo or recent file."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import matching, report, theme, widgets
from gui.commands import Action
from renderer.types import RenderRequest, RenderResult

ROWS = 12                                # in sight
TITLE = "Palette"


@dataclass(frozen=True)
class Entry:
    title: str                           # what is searched and shown
    kind: str                            # 'File', 'Layer': in grey
    run: Action
    keys: str = ""                       # its shortcut
    why_not: str = ""


class Palette:
    """`entries(request, result)`: all there is to find, made anew each time it is opened."""

    def __init__(self, entries: Callable[[RenderRequest, RenderResult], Sequence[Entry]]):
        self._make = entries
        self._entries: Sequence[Entry] = ()
        self._found: list[tuple[Entry, tuple[int, ...]]] = []
        self._query, self._asked, self._at = "", None, 0
        self._wanted = False

    def open(self) -> None:
        self._wanted = True

    def draw(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        if self._wanted:
            self._entries, self._query, self._asked = self._make(request, result), "", None
            imgui.open_popup(TITLE)
        screen = imgui.get_main_viewport()
        width = min(theme.em(40), screen.size.x * 0.9)
        top = ImVec2(screen.pos.x + screen.size.x / 2, screen.pos.y + screen.size.y * 0.12)
        imgui.set_next_window_pos(top, imgui.Cond_.always, ImVec2(0.5, 0))
        imgui.set_next_window_size(ImVec2(width, 0))
        with imgui_ctx.begin_popup(TITLE) as popup, report.panel(TITLE):
            if popup:
                request = self._content(request, result)
        self._wanted = False
        return request

    def _content(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        if self._wanted:
            imgui.set_keyboard_focus_here()
        self._query, entered = widgets.text_field("Query", self._query, "A command, panel, layer, demo or file")
        if self._query != self._asked:
            self._asked, self._at = self._query, 0
            self._found = matching.found(self._query, self._entries, lambda e: e.title)
        moved = self._move()
        chosen = self._list(moved)
        if entered and self._found:
            chosen = self._found[self._at][0]
        if chosen is None or chosen.why_not:
            if entered:
                imgui.set_keyboard_focus_here(-1)
            return request
        imgui.close_current_popup()
        changed = chosen.run(request, result)
        return request if changed is None else changed

    def _move(self) -> bool:
        """Follows the arrow keys; whether they moved the choice."""
        before = self._at
        for key, step in ((imgui.Key.down_arrow, 1), (imgui.Key.up_arrow, -1), (imgui.Key.page_down, ROWS),
                          (imgui.Key.page_up, -ROWS)):
            if imgui.is_key_pressed(key):
                self._at = min(max(self._at + step, 0), max(len(self._found) - 1, 0))
        return self._at != before

    def _list(self, moved: bool) -> Entry | None:
        """The entries found; returns the one that was clicked."""
        if not self._found:
            widgets.text("Nothing is called that", "dim")
            return None
        chosen = None
        rows = min(len(self._found), ROWS)
        height = rows * (imgui.get_text_line_height() + imgui.get_style().item_spacing.y)
        with imgui_ctx.begin_child("found", ImVec2(0, height)):
            for index, (entry, hits) in enumerate(self._found):
                if self._row(index, entry, hits):
                    chosen = entry
                if moved and index == self._at:
                    _into_sight()
        if self._found[self._at][0].why_not:
            widgets.clipped(self._found[self._at][0].why_not, "dim")
        return chosen

    def _row(self, index: int, entry: Entry, hits: tuple[int, ...]) -> bool:
        start, room = imgui.get_cursor_screen_pos(), imgui.get_content_region_avail().x
        flags = imgui.SelectableFlags_.no_auto_close_popups
        clicked = imgui.selectable(f"##{index}", index == self._at, flags)[0]
        report.mark(entry.title)
        if not imgui.is_item_visible():
            return clicked
        right = f"{entry.keys}   {entry.kind}" if entry.keys else entry.kind
        taken, draw = imgui.calc_text_size(right).x, imgui.get_window_draw_list()
        words = widgets.shorten(entry.title, room - taken - theme.em(2))
        _highlighted(draw, ImVec2(start.x + theme.em(0.4), start.y), words, hits, "faint" if entry.why_not else "text")
        draw.add_text(ImVec2(start.x + room - taken - theme.em(0.4), start.y), theme.ink("dim"), right)
        return clicked


def _into_sight() -> None:
    """Scrolls just as far as needed for the row just drawn to be seen."""
    low, high = imgui.get_item_rect_min().y, imgui.get_item_rect_max().y
    top = imgui.get_window_pos().y
    bottom = top + imgui.get_window_height()
    if low < top:
        imgui.set_scroll_y(imgui.get_scroll_y() - (top - low))
    elif high > bottom:
        imgui.set_scroll_y(imgui.get_scroll_y() + high - bottom)


def _highlighted(draw: imgui.ImDrawList, at: ImVec2, words: str, hits: tuple[int, ...], color: str) -> None:
    """One line, the letters that were hit in the accent colour."""
    marked, start = set(hits), 0
    for end in range(1, len(words) + 1):
        if end == len(words) or (end in marked) != (start in marked):
            draw.add_text(at, theme.ink("accent_text" if start in marked else color), words[start:end])
            at = ImVec2(at.x + imgui.calc_text_size(words[start:end]).x, at.y)
            start = end
