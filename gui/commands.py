"""Commands: what menus, keys and the palette offer, each with a title, a shortcut and what it does to the request."""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgui_bundle import imgui, imgui_ctx

from gui import report, widgets
from renderer.types import RenderRequest, RenderResult

Action = Callable[[RenderRequest, RenderResult], RenderRequest | None]     # None: the request stays as it is
FIELD_KEYS = {"Ctrl+Z", "Ctrl+Shift+Z", "Ctrl+Y", "Ctrl+X", "Ctrl+C", "Ctrl+V", "Ctrl+A"}    # a text field's own


@dataclass(frozen=True)
class Command:
    title: str                           # 'Save picture'
    run: Action
    shortcut: str = ""                   # 'Ctrl+S', 'F'
    menu: str = ""                       # 'File', or 'View/Theme' for a menu in a menu; empty: only by its key
    group: int = 0                       # a line separates groups in a menu
    checked: Callable[[], bool] | None = None
    label: Callable[[], str] | None = None                   # the title as it reads now: 'Undo ψ'
    why_not: Callable[[RenderRequest, RenderResult], str] | None = None      # the reason while it can't be used
    also: str = ""                       # another shortcut

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.shortcut, self.also)))

    @property
    def words(self) -> str:
        return self.label() if self.label else self.title

    def reason(self, request: RenderRequest, result: RenderResult) -> str:
        """Why it can't be used now; empty: it can."""
        return self.why_not(request, result) if self.why_not else ""


def pressed(chords: Sequence[str], commands: Sequence[Command]) -> list[Command]:
    """The commands whose keys went down. What writes or edits text belongs to a text field while one is edited.

    While a menu or popup is open there are none; Esc closes it.
    """
    if imgui.is_popup_open("", imgui.PopupFlags_.any_popup_id | imgui.PopupFlags_.any_popup_level):
        if "Esc" not in chords:
            return []
        imgui.internal.close_popup_to_level(0, True)
        chords = chords[list(chords).index("Esc") + 1:]
    if imgui.get_io().want_text_input:
        chords = [chord for chord in chords if not is_typing(chord)]
    keys = {key: command for command in commands for key in command.keys}
    return [keys[chord] for chord in chords if chord in keys]


def is_typing(chord: str) -> bool:
    """Whether it does something in a text field."""
    return chord in FIELD_KEYS or re.match(r"Ctrl\+|F\d", chord) is None


def run(command: Command, request: RenderRequest, result: RenderResult) -> RenderRequest:
    changed = command.run(request, result)
    return request if changed is None else changed


def draw_menu(title: str, commands: Sequence[Command], request: RenderRequest, result: RenderResult) -> RenderRequest:
    """The commands that belong to one menu, as its items; those of menus inside it at the place of their first."""
    group, inside = None, set()
    own = [c for c in commands if c.menu == title or c.menu.startswith(f"{title}/")]
    for command in sorted(own, key=lambda c: c.group):
        if group not in (None, command.group):
            imgui.separator()
        group = command.group
        if command.menu == title:
            request = _draw_item(command, request, result)
        elif command.menu not in inside:
            inside.add(command.menu)
            with imgui_ctx.begin_menu(command.menu.rpartition("/")[2]) as menu:
                report.mark(command.menu.rpartition("/")[2])
                if menu:
                    request = draw_menu(command.menu, commands, request, result)
    return request


def _draw_item(command: Command, request: RenderRequest, result: RenderResult) -> RenderRequest:
    reason = command.reason(request, result)
    checked = command.checked() if command.checked else False
    if imgui.menu_item(f"{command.words}##{command.title}", command.shortcut, checked, not reason)[0]:
        request = run(command, request, result)
    report.mark(command.title)
    widgets.hint(reason)
    return request
