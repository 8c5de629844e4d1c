"""A report's tables: sorted by a click on a column, rows that stand out marked, a click on a row leads to its layer."""
from __future__ import annotations

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import report, theme, widgets
from gui.plots import Derived
from gui.words import short
from renderer.report import Table

ROWS = 24                                # in sight; more are scrolled to
FLAGS = (imgui.TableFlags_.sortable | imgui.TableFlags_.sort_tristate | imgui.TableFlags_.row_bg
         | imgui.TableFlags_.sizing_fixed_fit | imgui.TableFlags_.scroll_x | imgui.TableFlags_.scroll_y
         | imgui.TableFlags_.borders_inner_v)


class Sheet:
    """One table; remembers by what it is sorted."""

    def __init__(self):
        self._by: tuple[int, bool] | None = None     # column, whether the largest comes first; None: as it came
        self._order = Derived(order)
        self._texts = Derived(texts)

    def draw(self, table: Table, width: float, chosen: str) -> str | None:
        """The layer whose row was clicked. `chosen`: the one looked at."""
        line = imgui.get_text_line_height() + 2 * imgui.get_style().cell_padding.y
        height = line * (min(len(table.rows), ROWS) + 1) + imgui.get_style().scrollbar_size + theme.em(0.3)
        clicked = None
        with imgui_ctx.begin_table(f"##{table.name}", len(table.columns), FLAGS, ImVec2(width, height)) as opened:
            if not opened:
                return None
            imgui.table_setup_scroll_freeze(1, 1)
            for column in table.columns:
                imgui.table_setup_column(column)
            self._head(table)
            self._follow_sorting()
            column, downwards = self._by or (-1, False)
            rows = self._texts(table)
            for index in self._order(table, column, downwards):
                if _row(table, index, rows[index], chosen):
                    clicked = table.taps[index]
        report.mark(table.name)
        return clicked

    def _head(self, table: Table) -> None:
        imgui.table_next_row(imgui.TableRowFlags_.headers)
        for index, column in enumerate(table.columns):
            imgui.table_set_column_index(index)
            imgui.table_header(column)
            report.mark(f"{table.name}/{column}")
            widgets.hint(table.tips[index] if index < len(table.tips) else "")

    def _follow_sorting(self) -> None:
        specs = imgui.table_get_sort_specs()
        if specs is None or not specs.specs_dirty:
            return
        first = specs.get_specs(0) if specs.specs_count else None
        downwards = imgui.SortDirection.descending
        self._by = first and (first.column_index, first.get_sort_direction() == downwards)
        specs.specs_dirty = False


def _row(table: Table, index: int, words: tuple[str, ...], chosen: str) -> bool:
    """Whether it was clicked, and leads somewhere."""
    tap = table.taps[index] if index < len(table.taps) else None
    flagged = index < len(table.flagged) and table.flagged[index]
    imgui.table_next_row()
    clicked = False
    for column, text in enumerate(words):
        imgui.table_next_column()
        if column == 0:
            flags = imgui.SelectableFlags_.span_all_columns if tap else imgui.SelectableFlags_.none
            with imgui_ctx.push_style_color(imgui.Col_.text, theme.color("warning" if flagged else "text")):
                pressed = imgui.selectable(f"{text}##{index}", tap is not None and tap == chosen, flags)[0]
            clicked = pressed and tap is not None
            report.mark(f"{table.name}/{text}")
            widgets.hint(f"Click to look at {tap}" if tap else "")
        else:
            widgets.text(text, "warning" if flagged else "text")
    return clicked


# -- pure -------------------------------------------------------------------------------------------------------------

def texts(table: Table) -> list[tuple[str, ...]]:
    return [tuple(map(cell, row)) for row in table.rows]


def cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else short(float(value))


def order(table: Table, column: int, downwards: bool) -> list[int]:
    """The rows' places in order of a column, numbers before texts and what is missing last; column -1: as they are."""
    rows = range(len(table.rows))
    if column < 0:
        return list(rows)
    def missing(value) -> bool:
        return value is None or isinstance(value, float) and value != value
    known = [i for i in rows if not missing(table.rows[i][column])]
    known.sort(key=lambda i: (isinstance(v := table.rows[i][column], str), v), reverse=downwards)
    return known + [i for i in rows if missing(table.rows[i][column])]
