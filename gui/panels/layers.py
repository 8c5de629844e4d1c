"""The layers panel: every tap of the network in order; a click shows it in the viewer."""
from __future__ import annotations

from imgui_bundle import imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.requests import look_at
from renderer.types import RenderRequest, RenderResult, TapInfo

STEPS = {                                # what the last part of a tap's name means (inspection.md "Activations")
    "image": "the image so far", "const": "the learned constant", "input": "the Fourier features",
    "conv": "after the convolution", "noise": "after the noise", "act": "after the activation",
    "norm": "after instance normalisation", "style": "the style", "up": "upsampled, before the activation",
    "out": "the layer's result", "torgb": "this resolution's contribution to the image",
}


class LayersPanel:
    title = "Layers"

    def __init__(self):
        self._filter = ""
        self._shown = ""                 # the tap that was last scrolled into view

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        info = result.info
        if info is None or not request.checkpoint.path:
            widgets.text("The network's layers appear here.", "faint")
            return request
        imgui.set_next_item_width(-1)
        self._filter = imgui.input_text_with_hint("##filter", f"{fonts.FILTER}  Filter by name", self._filter)[1]
        report.mark("Filter")
        taps = [tap for tap in info.taps if self._filter.lower() in tap.name.lower()]
        low, room = imgui.get_cursor_screen_pos(), imgui.get_content_region_avail()
        report.mark_rectangle("List", low.x, low.y, low.x + room.x, low.y + room.y)
        flags = imgui.TableFlags_.scroll_y | imgui.TableFlags_.row_bg | imgui.TableFlags_.pad_outer_x
        with imgui_ctx.begin_table("taps", 3, flags) as table:
            if not table:
                return request
            imgui.table_setup_scroll_freeze(0, 1)
            imgui.table_setup_column("Tap", imgui.TableColumnFlags_.width_stretch)
            imgui.table_setup_column("Size", imgui.TableColumnFlags_.width_fixed, theme.em(4.8))
            imgui.table_setup_column("Ch", imgui.TableColumnFlags_.width_fixed, theme.em(2.2))
            _headers("Tap", "Size", "Ch")
            for tap in taps:
                if self._row(tap, tap.name == request.tap):
                    request = look_at(request, tap)
        self._shown = request.tap
        return request

    def _row(self, tap: TapInfo, chosen: bool) -> bool:
        imgui.table_next_row()
        imgui.table_next_column()
        flags = imgui.SelectableFlags_.span_all_columns
        start = imgui.get_cursor_pos()
        pressed = imgui.selectable(f"##{tap.name}", chosen, flags)[0]
        report.mark(tap.name)
        widgets.hint(explained(tap))
        if not imgui.is_item_visible():
            if chosen and self._shown != tap.name:
                imgui.set_scroll_here_y(0.5)
            return pressed
        imgui.set_cursor_pos(start)
        head, dot, last = tap.name.rpartition(".")
        widgets.text(head + dot, "dim")
        imgui.same_line(0, 0)
        widgets.text(last, "text")
        channels, height, width = tap.shape
        for words in (f"{width} × {height}", str(channels)):
            imgui.table_next_column()
            _right(words)
        return pressed


def _headers(*names: str) -> None:
    imgui.table_next_row(imgui.TableRowFlags_.headers)
    for index, name in enumerate(names):
        imgui.table_next_column()
        _right(name) if index else widgets.text(name, "dim")


def _right(words: str) -> None:
    room = imgui.get_content_region_avail().x - imgui.calc_text_size(words).x
    imgui.set_cursor_pos_x(imgui.get_cursor_pos_x() + max(room, 0.0))
    widgets.text(words, "dim")


def explained(tap: TapInfo) -> str:
    channels, height, width = tap.shape
    step = STEPS.get(tap.name.rpartition(".")[2], "")
    lines = [f"{tap.name}: {step}" if step else tap.name, f"{channels} channels of {width} × {height}"]
    if tap.w_row is not None:
        lines.append(f"w row {tap.w_row}")
    if tap.cutoff is not None:
        lines.append(f"rate {tap.rate:g}, cutoff {tap.cutoff:.4g}, stopband {tap.stopband or 0:.4g} cycles per image")
    return "\n".join(lines)
