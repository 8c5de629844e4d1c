"""Choosing classes: a list with search for each, and weights where several are mixed."""
from __future__ import annotations

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.classes import Classes, Names, added, matching, picked, removed, shown, weighted

LIMIT = 8                                # classes mixed at once
LIST_LINES = 12
TIP = "What this conditional network is asked for: its label c (StyleGAN2-ADA, app. D)"
MIX = "Mix in another class: the label becomes a weighted sum, which no training image had"
WEIGHT = "Share in the label. All shares add up to 1, as in training: the others make room"


class ClassPicker:
    """Remembers what is searched for, while a list is open."""

    def __init__(self):
        self._query = ""
        self._found: tuple[tuple | None, list[int]] = None, []

    def draw(self, classes: Classes, count: int, names: Names) -> Classes:
        """`classes` of a network that has `count` of them, as the person changes them."""
        classes = classes or ((0, 1.0),)
        right = imgui.get_cursor_pos_x() + imgui.get_content_region_avail().x
        room = imgui.get_frame_height() + imgui.get_style().item_inner_spacing.x
        full = "" if len(classes) < min(LIMIT, count) else f"This many can be mixed at once: {len(classes)}"
        with widgets.row("Class" if len(classes) == 1 else "Classes", TIP, width=-room):
            if len(classes) == 1:
                classes = picked(classes, 0, self._pick("Class", classes[0][0], count, names))
            else:
                widgets.align()
                widgets.text(f"{len(classes)} mixed", "dim")
        imgui.same_line(right - imgui.get_frame_height())
        more = widgets.icon("+", "Mix in a class", MIX, full)
        classes = self._mixture(classes, count, names) if len(classes) > 1 else classes
        return added(classes, count) if more else classes

    def _mixture(self, classes: Classes, count: int, names: Names) -> Classes:
        gap = imgui.get_style().item_inner_spacing.x
        weight_width, side = theme.em(4.4), imgui.get_frame_height()
        for position, (index, weight) in enumerate(classes[:LIMIT]):         # a state may hold more
            imgui.set_next_item_width(-(weight_width + side + 2 * gap))
            chosen = self._pick(f"Class {position + 1}", index, count, names)
            imgui.same_line(0, gap)
            imgui.set_next_item_width(weight_width)
            share = widgets.bar(f"Weight {position + 1}", weight, 0.0, 1.0, "%.2f")
            widgets.hint(WEIGHT)
            imgui.same_line(0, gap)
            gone = widgets.icon(fonts.CLOSE, f"Remove {position + 1}", "Leave this class out")
            if chosen != index:
                classes = picked(classes, position, chosen)
            if abs(share - weight) > 1e-6:           # a slider rounds to float32
                classes = weighted(classes, position, share)
            if gone:
                return removed(classes, position)
        return classes

    def _pick(self, name: str, index: int, count: int, names: Names) -> int:
        imgui.set_next_window_size_constraints(ImVec2(0, 0), ImVec2(theme.em(40), theme.em(40)))     # all of the list
        with widgets.combo(name, shown(index, names)) as opened:
            if not opened:
                return index
            if imgui.is_window_appearing():
                self._query = ""
                imgui.set_keyboard_focus_here()
            imgui.set_next_item_width(theme.em(14))
            entered, self._query = imgui.input_text_with_hint("##search", "Name or index", self._query,
                                                              imgui.InputTextFlags_.enter_returns_true)
            report.mark(f"{name}/Search")
            found = self._matching(count, names)
            if not found:
                widgets.text("No class is called so", "dim")
            elif entered:
                imgui.close_current_popup()
                return found[0]
            return self._list(name, index, found, names)

    def _matching(self, count: int, names: Names) -> list[int]:
        """Searched anew only when something changed."""
        key = (self._query, id(names), len(names), count)
        if key != self._found[0]:
            self._found = key, matching(self._query, names, count)
        return self._found[1]

    def _list(self, name: str, index: int, found: list[int], names: Names) -> int:
        lines = max(min(len(found), LIST_LINES), 1)
        with imgui_ctx.begin_child("list", ImVec2(theme.em(14), lines * imgui.get_text_line_height_with_spacing())):
            if imgui.is_window_appearing() and index in found:
                imgui.set_scroll_y((found.index(index) - 2) * imgui.get_text_line_height_with_spacing())
            clipper = imgui.ListClipper()
            clipper.begin(len(found))
            while clipper.step():
                for line in range(clipper.display_start, clipper.display_end):
                    if imgui.selectable(shown(found[line], names), found[line] == index)[0]:
                        index = found[line]
                        imgui.close_current_popup()
                    report.mark(f"{name}/{found[line]}")
            clipper.end()
        return index
