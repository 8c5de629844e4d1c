"""Commands: what menus and keys offer, each with a title, a shortcut and what it does to the request."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgui_bundle import imgui, imgui_ctx

from gui import report
from renderer.types import RenderRequest, RenderResult

Action = Callable[[RenderRequest, RenderResult], RenderRequest | None]     # None: the request stays as it is


@dataclass(frozen=True)
class Command:
    title: str                           # 'Save picture'
    run: Action
    shortcut: str = ""                   # 'Ctrl+S', 'F'
    menu: str = ""                       # 'File'; empty: only by its key
    group: int = 0                       # a line separates groups in a menu
    checked: Callable[[], bool] | None = None


def pressed(chords: Sequence[str], commands: Sequence[Command]) -> list[Command]:
    """The commands whose keys went down. Keys without Ctrl belong to a text field while one is edited.

    While a menu or popup is open there are none; Esc closes it.
    """
    if imgui.is_popup_open("", imgui.PopupFlags_.any_popup_id | imgui.PopupFlags_.any_popup_level):
        if "Esc" not in chords:
            return []
        imgui.internal.close_popup_to_level(0, True)
        chords = chords[list(chords).index("Esc") + 1:]
    editing = imgui.get_io().want_text_input
    keys = {command.shortcut: command for command in commands if command.shortcut}
    return [keys[chord] for chord in chords if chord in keys and (chord.startswith("Ctrl+") or not editing)]


def run(command: Command, request: RenderRequest, result: RenderResult) -> RenderRequest:
    changed = command.run(request, result)
    return request if changed is None else changed


def draw_menu(title: str, commands: Sequence[Command], request: RenderRequest, result: RenderResult) -> RenderRequest:
    """The commands that belong to one menu, as its items."""
    group = None
    for command in (c for c in commands if c.menu == title):
        if group not in (None, command.group):
            imgui.separator()
        group = command.group
        checked = command.checked() if command.checked else False
        if imgui.menu_item(command.title, command.shortcut, checked)[0]:
            request = run(command, request, result)
        report.mark(command.title)
    return request


def draw_sheet(commands: Sequence[Command]) -> None:
    """All shortcuts, as a table."""
    flags = imgui.TableFlags_.row_bg | imgui.TableFlags_.sizing_fixed_fit
    with imgui_ctx.begin_table("shortcuts", 2, flags) as table:
        if table:
            for command in (c for c in commands if c.shortcut):
                imgui.table_next_row()
                imgui.table_next_column()
                imgui.text_unformatted(command.shortcut)
                imgui.table_next_column()
                imgui.text_unformatted(command.title)
