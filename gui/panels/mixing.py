"""The style-mixing panel: which rows of w come from a second source, and the table of many sources."""
from __future__ import annotations

from dataclasses import replace

from imgui_bundle import imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.requests import MAX_SEED, rows_within, seed_of
from gui.rows import RowPicker, range_rows, rows_named
from gui.saving import Saver
from gui.sources import Looked, Saved, SourceList, add_button
from renderer.labels import Labels
from renderer.many import MOST_PIXELS, source_name, table_plan
from renderer.types import MixTable, ModelInfo, RenderRequest, RenderResult, Source, sources

PARTS = {
    "Picture": "The picture with some rows of its w from a second source (StyleGAN sec. 3.1)",
    "Table": "A picture for each pair of sources (StyleGAN fig. 3)",
}
SECOND = "The chosen rows of w come from this seed (StyleGAN sec. 3.1)"
ACROSS = "Sources A, one for each column: the chosen rows of w come from these"
DOWN = "Sources B, one for each row: all other rows of w come from these"
SHOW = "Shows the table in the viewer, where it follows truncation, noise and class"
SAVE = "Renders the table at full resolution and saves it, its sources inside"
LABELS = "Each source is named in a margin"


class MixingPanel:
    title = "Style mixing"

    def __init__(self, saver: Saver, saved: Saved):
        self._saver, self._saved = saver, saved
        self._part = "Picture"
        self._table: MixTable | None = None          # as it was set up last; None: not touched yet
        self._shown = False                          # whether the last request showed the table
        self._looked: Looked = None
        self._known: tuple = None, ("", "")          # a table and what was found of it
        self._rows, self._table_rows = RowPicker(), RowPicker()
        self._across, self._down = SourceList("Across", ACROSS), SourceList("Down", DOWN)

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        if request.table is not None:
            self._table = request.table
            self._part = self._part if self._shown else "Table"
        self._shown = request.table is not None
        width = imgui.get_content_region_avail().x
        self._part = widgets.segmented("Part", self._part, list(PARTS), width, list(PARTS.values()))
        if result.info is None:
            self._looked = None
            widgets.text("Open a network to choose layers.", "faint")
            return request
        if result.ws is not None:
            self._looked = result.request, result.ws
        part = self._picture if self._part == "Picture" else self._many
        return part(request, result)

    # -- one picture --------------------------------------------------------------------------------------------------

    def _picture(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        mix = request.mix
        mix = replace(mix, source=self._second(mix.source, result))
        return replace(request, mix=replace(mix, rows=self._rows(mix.rows, result.info)))

    def _second(self, source: Source, result: RenderResult) -> Source:
        room = imgui.get_frame_height()
        if source.w is None and not source.name:
            seed = widgets.integer("Second seed", source.seed, 0, MAX_SEED, 1, SECOND, width=-room)
            source = source if seed == source.seed else Source(seed)
        else:
            with widgets.row("Second", "The chosen rows of w come from this", width=-room):
                words = widgets.shorten(source_name(source), imgui.calc_item_width() - theme.em(2.2))
                if widgets.button(f"{words} {fonts.CLOSE}", f"{source_name(source)}. Click to go back to a seed",
                                  name="Second source"):
                    source = Source(source.seed if source.w is None else 1)
        imgui.same_line(0, 0)
        return add_button(self._saved(result.info), self._looked, "", "Second from saved") or source

    # -- the table ----------------------------------------------------------------------------------------------------

    def _many(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        info, before = result.info, self.table(request, result.info)
        table, showing = self._buttons(before, request, info)
        saved = self._saved(info)
        table = replace(table, across=self._across(table.across, saved, self._looked),
                        down=self._down(table.down, saved, self._looked))
        table = replace(table, rows=self._table_rows(table.rows, info))
        problem, size = self._checked(table, request, info)
        with imgui_ctx.begin_group():
            widgets.clipped(problem or size, "warning" if problem else "dim")
        report.mark("Table size")
        if table != before or showing:
            self._table = table
        if showing and not problem:
            return replace(request, table=table, seeds=None)
        return request if showing else replace(request, table=None)

    def _buttons(self, table: MixTable, request: RenderRequest, info: ModelInfo) -> tuple[MixTable, bool]:
        (problem, size), shown = self._checked(table, request, info), request.table is not None
        width = widgets.even_width(3)
        if widgets.button("Show", SHOW, "" if shown else problem, width, "Show table", shown):
            shown = not shown
        imgui.same_line()
        if widgets.button("Save PNG", f"{SAVE}: {size}", problem, width, "Save table"):
            self._saver.render(replace(request, table=table, seeds=None))
        imgui.same_line()
        if widgets.button("Labels", LABELS, "", width, chosen=table.labels):
            table = replace(table, labels=not table.labels)
        return table, shown

    def _checked(self, table: MixTable, request: RenderRequest, info: ModelInfo) -> tuple[str, str]:
        """What is wrong with the table, and its size in words; laying it out takes longer than a frame may."""
        key = table, request.tap, info
        if key != self._known[0]:
            problem = problem_of(table, request, info)
            self._known = key, (problem, "" if problem else size_said(table, request, info))
        return self._known[1]

    def table(self, request: RenderRequest, info: ModelInfo | None) -> MixTable | None:
        """The table as it is set up, fit for the network; at first the seed looked at and those after it."""
        if info is None:
            return None
        if self._table is None:
            seed = min(seed_of(request.latent), MAX_SEED - 6)
            return MixTable(sources(*range(seed + 3, seed + 7)), sources(*range(seed, seed + 3)),
                            request.mix.rows or range_rows("Coarse", info) or (0,))
        table = self._table

        def fit(side: tuple[Source, ...]) -> tuple[Source, ...]:
            return tuple(s for s in side if s.w is None or s.w.shape == (info.num_ws, info.w_dim))
        return replace(table, across=fit(table.across), down=fit(table.down), rows=rows_within(table.rows, info))


def size_said(table: MixTable, request: RenderRequest, info: ModelInfo) -> str:
    """'640 × 512 pixels, coarse rows of A'."""
    height, width = table_size(table, request, info)
    return f"{width} × {height} pixels, {rows_named(table.rows, info)} of A"


def table_size(table: MixTable, request: RenderRequest, info: ModelInfo) -> tuple[int, int]:
    """(height, width) in pixels of the whole table, at the resolution of what is looked at."""
    if not table.across and not table.down:
        return 0, 0
    height, width = next((tap.shape[1:] for tap in info.taps if tap.name == request.tap), info.resolution)
    plan = table_plan(table)
    labels = Labels(plan.across, plan.down, (height, width))
    return labels.top + plan.rows * height, labels.left + plan.columns * width


def problem_of(table: MixTable, request: RenderRequest, info: ModelInfo) -> str:
    """Why the table can't be drawn; empty: it can."""
    if not table.across and not table.down:
        return "Write a seed across or down"
    height, width = table_size(table, request, info)
    if height * width > MOST_PIXELS:
        return f"{width} × {height} pixels: at most {MOST_PIXELS / 1e6:.0f} megapixels are drawn, choose fewer sources"
    return ""
