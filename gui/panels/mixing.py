"""The style-mixing panel: which rows of w come from a second seed, and the table of many sources."""
from __future__ import annotations

import re
from dataclasses import replace

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import report, theme, widgets
from gui.requests import MAX_SEED
from renderer.types import MixTable, ModelInfo, RenderRequest, RenderResult, Source, sources

RANGES = {                               # inspection.md "Style": by resolution, and StyleGAN3's by row
    "Coarse": "4² and 8²; StyleGAN3: rows 0 to 6. Pose, face shape, what is there",
    "Middle": "16² and 32²; not in StyleGAN3. Features, hair, eyes",
    "Fine": "64² and up; StyleGAN3: rows 7 and up. Colours and texture",
    "All": "Every row",
    "None": "No row: the first seed alone",
}
TABLE = "One picture for each pair of seeds: the chosen rows of w of a seed across, all others of a seed down"
ACROSS, DOWN = "Seeds across the top, e.g. 1-4, 9", "Seeds down the side, e.g. 10-12"
SHOWN_SOURCES = 64                       # at most, in either direction of the table


class MixingPanel:
    title = "Style mixing"

    def __init__(self):
        self._across, self._down = "1-4", "10-12"
        self._anchor = 0                 # row clicked last, where a shift-click's range starts
        self._known: tuple[ModelInfo | None, dict] = None, {}        # a network and its `layers_of_rows`

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        info = result.info
        mix = request.mix
        seed = widgets.integer("Second seed", mix.source.seed, 0, MAX_SEED, 1, "The chosen rows of w come from this seed "
                               "(StyleGAN sec. 3.1)")
        rows = mix.rows
        if info is None:
            widgets.text("Open a network to choose layers.", "faint")
        else:
            rows = self._ranges(rows, info)
            rows = self._cells(rows, info)
        request = replace(request, mix=replace(mix, source=Source(seed), rows=rows))
        return self._table(request, info)

    def _ranges(self, rows: tuple[int, ...], info: ModelInfo) -> tuple[int, ...]:
        width = widgets.even_width(len(RANGES))
        tight = ImVec2(1, imgui.get_style().frame_padding.y)
        for name, tip in RANGES.items():
            members = range_rows(name, info)
            with imgui_ctx.push_style_var(imgui.StyleVar_.frame_padding, tight):
                if widgets.button(name, tip, "" if members or name == "None" else "This network has none of these",
                                  width, chosen=bool(rows) and rows == members):
                    rows = members
            imgui.same_line()
        imgui.new_line()
        return rows

    def _cells(self, rows: tuple[int, ...], info: ModelInfo) -> tuple[int, ...]:
        """One cell per row of w: its number above, its layers' resolution below."""
        gap, least = theme.em(0.15), theme.em(1.75)
        room = imgui.get_content_region_avail().x
        lines = max(1, -(-info.num_ws * (least + gap) // (room + gap)))
        per_line = int(-(-info.num_ws // lines))
        size = ImVec2((room + gap) / per_line - gap, theme.em(2.3))
        layers = self._layers(info)
        with imgui_ctx.push_style_var(imgui.StyleVar_.item_spacing, ImVec2(gap, gap)):
            for row in range(info.num_ws):
                if row % per_line:
                    imgui.same_line(0, gap)
                if _cell(row, layers.get(row, ([], 0)), row in rows, size):
                    rows = self._clicked(rows, row)
        return rows

    def _layers(self, info: ModelInfo) -> dict[int, tuple[list[str], int]]:
        if info is not self._known[0]:
            self._known = info, layers_of_rows(info)
        return self._known[1]

    def _clicked(self, rows: tuple[int, ...], row: int) -> tuple[int, ...]:
        """Flips a row; with shift, makes all from the row clicked last alike."""
        chosen = set(rows)
        span = {row}
        if imgui.get_io().key_shift:
            span = set(range(min(row, self._anchor), max(row, self._anchor) + 1))
            chosen = chosen | span if self._anchor in chosen else chosen - span
        else:
            chosen ^= span
        self._anchor = row
        return tuple(sorted(chosen))

    def _table(self, request: RenderRequest, info: ModelInfo | None) -> RenderRequest:
        table, shown = self.table(request, info), request.table is not None
        problem = "" if table else "Open a network first" if info is None else "Write seeds as 1-4, 9"
        with widgets.row("Table", TABLE):
            width = (imgui.calc_item_width() - theme.em(4)) / 2 - imgui.get_style().item_spacing.x
            for name, field, tip in (("Across", "_across", ACROSS), ("Down", "_down", DOWN)):
                imgui.set_next_item_width(width)
                setattr(self, field, imgui.input_text(f"##{name}", getattr(self, field))[1])
                report.mark(name)
                widgets.hint(tip)
                imgui.same_line()
            rest = imgui.get_content_region_avail().x
            if widgets.button("Show", TABLE, "" if shown else problem, rest, "Show table", shown):
                shown = not shown
        return replace(request, table=table if shown and table else None)

    def table(self, request: RenderRequest, info: ModelInfo | None) -> MixTable | None:
        """The table as it is set up here; its rows are the chosen ones, or the coarse ones if none is."""
        across, down = numbers(self._across), numbers(self._down)
        if info is None or not across or not down:
            return None
        return MixTable(sources(*across), sources(*down), request.mix.rows or range_rows("Coarse", info))


def _cell(row: int, layers: tuple[list[str], int], chosen: bool, size: ImVec2) -> bool:
    names, resolution = layers
    pressed = imgui.invisible_button(f"row {row}", size)
    report.mark(f"Row {row}")
    low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
    draw = imgui.get_window_draw_list()
    hovered = imgui.is_item_hovered()
    draw.add_rect_filled(low, high, theme.ink("accent_low" if chosen else "frame_hovered" if hovered else "frame"),
                         theme.em(0.2))
    if chosen:
        draw.add_rect_filled(ImVec2(low.x, high.y - theme.em(0.13)), high, theme.ink("accent"))
    for words, top, color, scale in ((str(row), 0.12, "text" if chosen else "dim", 1.0),
                                     (str(resolution or ""), 1.2, "dim" if chosen else "faint", 0.8)):
        width = imgui.calc_text_size(words).x * scale
        at = ImVec2((low.x + high.x - width) / 2, low.y + theme.em(top))
        draw.add_text(imgui.get_font(), imgui.get_font_size() * scale, at, theme.ink(color), words)
    widgets.hint(f"Row {row} of w: {', '.join(names) or 'no layer'}\nShift+click chooses a range")
    return pressed


def layers_of_rows(info: ModelInfo) -> dict[int, tuple[list[str], int]]:
    """For each row of w: the layers that read it and the height of what they give."""
    found: dict[int, tuple[list[str], int]] = {}
    for tap in info.taps:
        if tap.w_row is None:
            continue
        layer = layer_of(tap.name)
        names, resolution = found.get(tap.w_row, ([], 0))
        if layer not in names:
            names.append(layer)
        found[tap.w_row] = names, resolution if "torgb" in tap.name and resolution else max(tap.shape[1], 1)
    return found


def layer_of(tap: str) -> str:
    """'b64.conv0.act' -> 'b64.conv0'; 'L3_52_512.up' -> 'L3_52_512'."""
    head, _, last = tap.rpartition(".")
    return head if head and last not in ("torgb", "image", "out") or head.startswith("L") else tap


def range_rows(name: str, info: ModelInfo) -> tuple[int, ...]:
    """Rows of w behind 'Coarse', 'Middle', 'Fine', 'All' or 'None'."""
    every = range(info.num_ws)
    if name in ("All", "None"):
        return tuple(every) if name == "All" else ()
    if info.family == "stylegan3":
        split = {"Coarse": range(0, 7), "Middle": range(0), "Fine": range(7, info.num_ws)}[name]
        return tuple(row for row in every if row in split)
    low, high = {"Coarse": (4, 8), "Middle": (16, 32), "Fine": (64, 1 << 20)}[name]
    return tuple(row for row in every if low <= 4 << (row // 2) <= high)


def numbers(text: str) -> tuple[int, ...]:
    """'1-4, 9' -> (1, 2, 3, 4, 9); () where it can't be read or is too long."""
    found: list[int] = []
    for part in filter(None, re.split(r"[,;\s]+", text.strip())):
        match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part)
        if not match:
            return ()
        first, last = int(match[1]), int(match[2] or match[1])
        if last - first >= SHOWN_SOURCES or last > MAX_SEED:
            return ()
        found += range(first, last + 1)
    return tuple(found) if len(found) <= SHOWN_SOURCES else ()
