"""A report as it is drawn in a panel: facts as large numbers, pictures, plots and tables in their order."""
from __future__ import annotations

from collections.abc import Iterable, Iterator

from imgui_bundle import imgui, imgui_ctx

from gui import report, theme, widgets
from gui.charts import Chart
from gui.tables import Sheet
from gui.tiles import Tiles
from gui.words import short
from renderer.report import Fact, Figure, Picture, Plot, Report, Table

LARGE = 1.5                              # a fact's number, in heights of text
FACT_EMS = 6.0                           # the least width of a fact
CHART_EMS = 10.0, 18.0                   # the least and the largest height of a plot
CHART_ASPECT = 0.62                      # its height to its width, in between


class Figures:
    """What is remembered of a report's figures from frame to frame, by their names."""

    def __init__(self):
        self._tiles = Tiles()
        self._charts: dict[str, Chart] = {}
        self._sheets: dict[str, Sheet] = {}
        self._drawn: Report | None = None

    def draw(self, found: Report, tap: str) -> str | None:
        """Draws them into what is left of the line's width; the layer that a click leads to. `tap`: looked at now."""
        if found is not self._drawn:
            self._drawn = found
            self._tiles.take([figure for figure in found.figures if isinstance(figure, Picture)])
        width, clicked = imgui.get_content_region_avail().x, None
        for figures in runs(found.figures):
            first = figures[0]
            if isinstance(first, Fact):
                _facts(figures, width)
            elif isinstance(first, Picture):
                clicked = self._tiles.draw(figures, width) or clicked
            elif isinstance(first, Plot):
                self._plot(first, width)
            else:
                clicked = self._table(first, width, tap) or clicked
            imgui.dummy((0, theme.em(0.3)))
        return clicked

    def _plot(self, plot: Plot, width: float) -> None:
        _title(plot.title, plot.tip)
        height = min(max(CHART_ASPECT * width, theme.em(CHART_EMS[0])), theme.em(CHART_EMS[1]))
        self._charts.setdefault(plot.name, Chart()).draw(plot, width, height)

    def _table(self, table: Table, width: float, tap: str) -> str | None:
        _title(table.title, table.tip)
        return self._sheets.setdefault(table.name, Sheet()).draw(table, width, tap)

    @property
    def readouts(self) -> list[str]:
        """What is under the cursor in its plots."""
        return [chart.readout for chart in self._charts.values() if chart.readout]

    def clear(self) -> None:
        self._tiles.close()
        self._charts.clear()
        self._sheets.clear()
        self._drawn = None


def runs(figures: Iterable[Figure]) -> Iterator[list[Figure]]:
    """Facts that follow each other, pictures of one group that do, and every other figure by itself."""
    run: list[Figure] = []
    for figure in figures:
        if run and not _belongs(figure, run[-1]):
            yield run
            run = []
        run.append(figure)
    if run:
        yield run


def _belongs(figure: Figure, to: Figure) -> bool:
    if isinstance(figure, Fact):
        return isinstance(to, Fact)
    return isinstance(figure, Picture) and isinstance(to, Picture) and figure.group == to.group != ""


def _title(words: str, tip: str) -> None:
    widgets.clipped(words)
    widgets.hint(tip)


# -- facts ------------------------------------------------------------------------------------------------------------

def _facts(facts: list[Fact], width: float) -> None:
    """In columns as wide as the widest of them, as many as fit."""
    gap = theme.em(1.0)
    room = min(max(theme.em(FACT_EMS), *map(_fact_width, facts)), width)
    columns, start = max(int((width + gap) / (room + gap)), 1), imgui.get_cursor_pos_x()
    for index, fact in enumerate(facts):
        if index % columns:
            imgui.same_line(start + index % columns * (room + gap))
        with imgui_ctx.begin_group():
            _fact(fact, room)
        report.mark(fact.name)
        between = interval_of(fact)
        widgets.hint("\n".join(filter(None, (fact.tip, between and f"{between}: the 95 % confidence interval"))))


def _fact(fact: Fact, room: float) -> None:
    """Its name, the number in large print with its unit in small, and the interval."""
    widgets.clipped(fact.label, "dim", room)
    unit = imgui.calc_text_size(fact.unit).x + theme.em(0.3) if fact.unit else 0.0
    with imgui_ctx.push_font(None, theme.FONT_SIZE * LARGE):
        widgets.clipped(value_of(fact), "text", room - unit)
    if fact.unit:
        imgui.same_line(0, theme.em(0.3))
        imgui.set_cursor_pos_y(imgui.get_cursor_pos_y() + theme.em(0.8 * (LARGE - 1)))       # on the number's baseline
        widgets.text(fact.unit, "dim")
    if between := interval_of(fact):
        widgets.clipped(between, "dim", room)


def _fact_width(fact: Fact) -> float:
    small = [imgui.calc_text_size(words).x for words in (fact.label, interval_of(fact), fact.unit)]
    with imgui_ctx.push_font(None, theme.FONT_SIZE * LARGE):
        large = imgui.calc_text_size(value_of(fact)).x
    return max(small[0], small[1], large + small[2] + theme.em(0.3)) + theme.em(0.2)


def value_of(fact: Fact) -> str:
    return fact.value if isinstance(fact.value, str) else short(float(fact.value))


def interval_of(fact: Fact) -> str:
    """'62.8 .. 63.7', of 95 % confidence."""
    return "" if fact.low is None or fact.high is None else f"{short(fact.low)} .. {short(fact.high)}"
