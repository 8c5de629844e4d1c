"""The rows of w: which layers read them, their ranges by resolution, and the cells in which they are chosen."""
from __future__ import annotations

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import report, theme, widgets
from renderer.rows import Rows, range_rows
from renderer.types import ModelInfo

RANGES = {                               # inspection.md "Style": by resolution, and StyleGAN3's by row
    "Coarse": "4² and 8²; StyleGAN3: rows 0 to 6. Pose, face shape, what is there (StyleGAN fig. 3)",
    "Middle": "16² and 32²; not in StyleGAN3. Features, hair, eyes (StyleGAN fig. 3)",
    "Fine": "64² and up; StyleGAN3: rows 7 and up. Colours and texture (StyleGAN fig. 3)",
    "All": "Every row",
    "None": "No row: the first source alone",
}


class RowPicker:
    """Ranges by name above one cell per row. A shift-click makes all from the row clicked last alike."""

    def __init__(self):
        self._anchor = 0                 # row clicked last
        self._known: tuple[ModelInfo | None, dict] = None, {}        # a network and its `layers_of_rows`

    def __call__(self, rows: Rows, info: ModelInfo) -> Rows:
        return self._cells(_ranges(rows, info), info)

    def _cells(self, rows: Rows, info: ModelInfo) -> Rows:
        """Each row's number above, its layers' resolution below."""
        gap, least = theme.em(0.15), theme.em(1.5)
        room = imgui.get_content_region_avail().x
        lines = max(1, -(-info.num_ws * (least + gap) // (room + gap)))
        per_line = int(-(-info.num_ws // lines))
        size = ImVec2((room + gap) / per_line - gap, theme.em(2.15))
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

    def _clicked(self, rows: Rows, row: int) -> Rows:
        chosen, span = set(rows), {row}
        if imgui.get_io().key_shift:
            span = set(range(min(row, self._anchor), max(row, self._anchor) + 1))
            chosen = chosen | span if self._anchor in chosen else chosen - span
        else:
            chosen ^= span
        self._anchor = row
        return tuple(sorted(chosen))


def _ranges(rows: Rows, info: ModelInfo) -> Rows:
    width = widgets.even_width(len(RANGES))
    tight = ImVec2(1, imgui.get_style().frame_padding.y)
    for name, tip in RANGES.items():
        members = range_rows(name, info)
        with imgui_ctx.push_style_var(imgui.StyleVar_.frame_padding, tight):
            if widgets.button(name, tip, "" if members or name == "None" else "This network has none of these",
                              width, chosen=rows == members):
                rows = members
        imgui.same_line()
    imgui.new_line()
    return rows


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


def rows_named(rows: Rows, info: ModelInfo) -> str:
    """'coarse rows', 'rows 0-2, 5'."""
    for name in RANGES:
        if rows and rows == range_rows(name, info):
            return f"{name.lower()} rows"
    return f"rows {spans(rows)}" if rows else "no rows"


def spans(numbers: tuple[int, ...]) -> str:
    """(1, 2, 3, 9) -> '1-3, 9', as it was given: nothing is sorted."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in found)
