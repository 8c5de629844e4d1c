"""The sheet of shortcuts: every key, by menu, in two columns, and what the mouse does."""
from __future__ import annotations

from collections.abc import Sequence

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import report, theme, widgets
from gui.commands import Command

MOUSE = (("Wheel", "Zoom at the cursor"), ("Drag", "Move the picture, or the latent"),
         ("Double click", "Fit the picture"), ("Ctrl+click", "Type a slider's number"),
         ("Hover", "What it means, or why it is off"))
Group = tuple[str, tuple[tuple[str, str], ...]]          # menu, (keys, title) of each command


def groups(commands: Sequence[Command]) -> list[Group]:
    """The commands that have keys, by menu, in the order of the menus; the mouse last."""
    menus = dict.fromkeys(command.menu.partition("/")[0] or "Anywhere" for command in commands)
    found = [(menu, tuple((" or ".join(c.keys), c.title) for c in commands
                          if c.keys and (c.menu.partition("/")[0] or "Anywhere") == menu)) for menu in menus]
    return [group for group in found if group[1]] + [("Mouse", MOUSE)]


def columns(groups: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """Split where both columns are as equally long as can be."""
    lengths = [len(rows) + 2 for _, rows in groups]
    cut = min(range(len(groups) + 1), key=lambda i: abs(sum(lengths[:i]) - sum(lengths[i:])))
    return list(groups[:cut]), list(groups[cut:])


def draw(commands: Sequence[Command]) -> None:
    with report.panel("Shortcuts"):
        for index, column in enumerate(columns(groups(commands))):
            if index:
                imgui.same_line(0, theme.em(2))
            with imgui_ctx.begin_group():
                for group in column:
                    _draw_group(group)


def _draw_group(group: Group) -> None:
    menu, rows = group
    widgets.text(menu, "accent_text")
    with imgui_ctx.begin_table(f"##{menu}", 2, imgui.TableFlags_.sizing_fixed_fit, ImVec2(theme.em(24), 0)) as table:
        if not table:
            return
        imgui.table_setup_column("keys", imgui.TableColumnFlags_.width_fixed, theme.em(10))
        imgui.table_setup_column("title", imgui.TableColumnFlags_.width_stretch)
        for keys, title in rows:
            imgui.table_next_row()
            imgui.table_next_column()
            widgets.text(keys, "dim")
            report.mark(keys)
            imgui.table_next_column()
            widgets.clipped(title)
    imgui.dummy(ImVec2(0, theme.em(0.3)))
