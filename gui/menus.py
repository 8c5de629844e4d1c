"""The bar of menus, with a summary of how the picture was made at its right."""
from __future__ import annotations

from typing import TYPE_CHECKING

from imgui_bundle import imgui, imgui_ctx

from gui import commands, report, theme, widgets
from gui.panels.network import choose_path
from gui.panels.status import summary
from renderer.types import DEMOS, RenderRequest, RenderResult

if TYPE_CHECKING:
    from gui.desk import Desk

FIRST = ("File", "Edit", "View")


def titles(commands: tuple[commands.Command, ...]) -> list[str]:
    """Of the menus, in their order: panels may add some, Help stands last."""
    tops = dict.fromkeys([*FIRST, *(command.menu.partition("/")[0] for command in commands)])
    return [title for title in tops if title not in ("", "Help")] + ["Help"]


def draw(desk: Desk, request: RenderRequest, result: RenderResult) -> RenderRequest:
    with imgui_ctx.begin_main_menu_bar() as bar, report.panel("Menu"):
        if not bar:
            return request
        for title in titles(desk.commands):
            with imgui_ctx.begin_menu(title) as menu:
                report.mark(title)
                if menu:
                    opens = [command for command in desk.commands if title == "File" and command.group == 0]
                    request = commands.draw_menu(title, opens, request, result)
                    if opens:
                        request = _open_lists(desk, request)
                    others = [command for command in desk.commands if command not in opens]
                    request = commands.draw_menu(title, others, request, result)
                    if title == "View":
                        _panel_list(desk)
        room = imgui.get_content_region_avail().x - theme.em(1)
        words = widgets.shorten(summary(result), room)
        imgui.same_line(imgui.get_window_width() - imgui.calc_text_size(words).x - theme.em(1.2))
        widgets.text(words, "dim")
    return request


def _open_lists(desk: Desk, request: RenderRequest) -> RenderRequest:
    with imgui_ctx.begin_menu("Recent", bool(desk.recents.paths())) as menu:
        report.mark("Recent")
        if menu:
            request = desk.recents.draw(request, theme.em(24))
    with imgui_ctx.begin_menu("Demos") as menu:
        report.mark("Demos")
        if menu:
            request = choose_path([f"demo:{name}" for name in DEMOS], request)
    imgui.separator()
    return request


def _panel_list(desk: Desk) -> None:
    imgui.separator()
    for panel in (panel for panel in desk.panels if panel.title not in desk.in_menus):
        visible = panel.title not in desk.hidden
        if imgui.menu_item(panel.title, "", visible)[0]:
            desk.hidden ^= {panel.title}
        report.mark(panel.title)
