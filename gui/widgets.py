"""The window's few kinds of widgets: a labelled row with its value, a reset beside what was changed, a tooltip.

Every function draws one widget and returns the value it has now. `tip` explains the term in a sentence; `why_not`, when
not empty, disables the widget and says why on hover. Every widget is listed in the report under its name.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import fonts, report, theme

LABEL_EMS = 6.4                          # width of the label column, with the reset button at its end
_UNDER = imgui.HoveredFlags_.allow_when_disabled
_HOVER = imgui.HoveredFlags_.for_tooltip | imgui.HoveredFlags_.allow_when_disabled


# -- words ------------------------------------------------------------------------------------------------------------

def text(words: str, color: str = "text") -> None:
    imgui.text_colored(theme.color(color), words)


def heading(words: str) -> None:
    with imgui_ctx.push_font(None, theme.FONT_SIZE * 1.4):
        text(words)


def wrapped(words: str, color: str = "text", width: float = 0.0) -> None:
    """Over as many lines as needed; `width` 0: as wide as the panel."""
    with imgui_ctx.push_text_wrap_pos(imgui.get_cursor_pos_x() + width if width else 0.0):
        text(words, color)


def clipped(words: str, color: str = "text", room: float | None = None, from_end: bool = False) -> None:
    """One line, cut with … where it doesn't fit (`from_end`: at its beginning); the whole of it on hover."""
    room = imgui.get_content_region_avail().x if room is None else room
    short = shorten(words[::-1], room)[::-1] if from_end else shorten(words, room)
    text(short, color)
    if short != words:
        hint(words)


def shorten(words: str, room: float) -> str:
    """The longest beginning of `words` that fits `room` pixels, with … at its end."""
    if imgui.calc_text_size(words).x <= room:
        return words
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if imgui.calc_text_size(words[:middle] + "…").x <= room else (low, middle - 1)
    return words[:low] + "…"


@contextmanager
def disabled(why_not: str) -> Iterator[None]:
    """Greys out what is drawn inside, if there is a reason."""
    imgui.begin_disabled(bool(why_not))
    try:
        yield
    finally:
        imgui.end_disabled()


@contextmanager
def clip(draw: imgui.ImDrawList, low: ImVec2, high: ImVec2) -> Iterator[None]:
    """Lets nothing be drawn outside a rectangle."""
    draw.push_clip_rect(low, high, True)
    try:
        yield
    finally:
        draw.pop_clip_rect()


@contextmanager
def edge_bar(name: str, side: imgui.Dir, color: str, margin: tuple[float, float]) -> Iterator[None]:
    """A line over the whole width of the window, at its upper or lower edge; `margin`: ems beside, and above, it."""
    flags = imgui.WindowFlags_.no_saved_settings | imgui.WindowFlags_.no_decoration
    with imgui_ctx.push_style_color(imgui.Col_.window_bg, theme.color(color)), \
            imgui_ctx.push_style_var(imgui.StyleVar_.window_padding, ImVec2(*map(theme.em, margin))), \
            imgui_ctx.push_style_var(imgui.StyleVar_.window_border_size, 0.0):
        height = imgui.get_frame_height() + 2 * theme.em(margin[1])
        imgui.internal.begin_viewport_side_bar(f"##{name}", imgui.get_main_viewport(), side, height, flags)
        try:
            with report.panel(name):
                yield
        finally:
            imgui.end()


def next_column() -> None:
    """The next widget stands beside the last one."""
    imgui.same_line()


def _beside(x: float) -> None:
    """What follows stands in the same line, at `x` of the window: also in a table, where same_line counts otherwise."""
    imgui.same_line()
    imgui.set_cursor_pos_x(x)


def align() -> None:
    """Text that follows stands at the height of the text in buttons."""
    imgui.align_text_to_frame_padding()


def hint(words: str) -> None:
    """A tooltip for the item just drawn, enabled or not."""
    Row.hinted |= bool(words) and imgui.is_item_hovered(_UNDER)
    if words and imgui.is_item_hovered(_HOVER):
        with imgui_ctx.begin_tooltip(), imgui_ctx.push_text_wrap_pos(theme.em(24)):
            imgui.text_unformatted(words)


def tell(words: str) -> None:
    """A tooltip at the cursor, now."""
    with imgui_ctx.begin_tooltip():
        imgui.text_unformatted(words)


def fact(name: str, value: str, tip: str = "", color: str = "text", label: float = 0.0, room: float = 0.0) -> None:
    """A labelled value that can't be changed here; lines of facts stand closer than rows.

    `label`: width of the name, `room`: of all; 0: as in rows, and the rest of the line.
    """
    start, label = imgui.get_cursor_pos_x(), label or theme.em(LABEL_EMS)
    text(name, "dim")
    hint(tip)
    _beside(start + label)
    clipped(value, color, room - label if room else None)
    report.mark(name)


def section(words: str) -> None:
    """A quiet heading inside a panel."""
    imgui.dummy(ImVec2(0, theme.em(0.1)))
    text(words, "faint")


# -- rows -------------------------------------------------------------------------------------------------------------

class Row:
    """What happened in a row besides its widget."""
    reset = False
    hinted = False                       # of the last row: what is under the cursor in it has a tooltip of its own


@contextmanager
def row(name: str, tip: str = "", changed: bool = False, why_not: str = "", width: float = -1.0) -> Iterator[Row]:
    """A labelled line; the widget goes inside and reaches to `-width` from the right edge."""
    line = Row()
    start = imgui.get_cursor_pos_x()
    with imgui_ctx.push_id(name):
        imgui.align_text_to_frame_padding()
        marked = changed and not why_not
        words = shorten(name, theme.em(LABEL_EMS) - (imgui.get_frame_height() if marked else theme.em(0.4)))
        text(words, "text" if marked else "dim")
        hint(why_not or (tip if words == name else f"{name}: {tip}"))
        if marked:
            _beside(start + theme.em(LABEL_EMS) - imgui.get_frame_height())
            line.reset = icon(fonts.RESET, f"Reset {name}", "Back to the default")
        _beside(start + theme.em(LABEL_EMS))
        imgui.set_next_item_width(width)
        Row.hinted = False
        with disabled(why_not), imgui_ctx.begin_group():
            yield line
        if why_not or not Row.hinted:    # a second one would keep the first from ever showing
            hint(why_not or tip)


def slider(name: str, value: float, low: float, high: float, default: float, form: str = "%.2f", tip: str = "",
           why_not: str = "") -> float:
    """Ctrl+click to type a number."""
    with row(name, tip or "", value != default, why_not) as line:
        value = bar(name, value, low, high, form)
    return default if line.reset else value


def int_slider(name: str, value: int, low: int, high: int, default: int, form: str = "%d", tip: str = "",
               why_not: str = "") -> int:
    with row(name, tip, value != default, why_not) as line:
        value = int_bar(name, value, low, high, form)
    return default if line.reset else value


def bar(name: str, value: float, low: float, high: float, form: str, logarithmic: bool = False) -> float:
    """A slider without a label, filled from zero (or its low end) to the value."""
    flags = imgui.SliderFlags_.always_clamp | (imgui.SliderFlags_.logarithmic if logarithmic else 0)
    origin = min(max(0.0, low), high)
    shares = [math.log(v / low) / math.log(high / low) if logarithmic else (v - low) / (high - low or 1)
              for v in (low if logarithmic else origin, min(max(value, low), high))]
    with _bar(*shares):
        value = decimal(value, *imgui.slider_float(f"##{name}", value, low, high, form, flags))
    report.mark(name)
    return value


def decimal(before: float, changed: bool, value: float) -> float:
    """What a widget of ImGui's gave back: its floats have 24 bits, and what wasn't touched keeps all it had."""
    return float(f"{value:.7g}") if changed else before


def int_bar(name: str, value: int, low: int, high: int, form: str) -> int:
    share = (min(max(value, low), high) - low) / ((high - low) or 1)
    with _bar(0.0, share):
        value = whole(value, *imgui.slider_int(f"##{name}", in_32_bits(value), low, max(high, low), form,
                                               imgui.SliderFlags_.always_clamp))
    report.mark(name)
    return value


def in_32_bits(value: int) -> int:
    """The nearest that a widget of ImGui's takes."""
    return min(max(value, -2 ** 31), 2 ** 31 - 1)


def whole(before: int, changed: bool, value: int) -> int:
    """What a widget of ImGui's gave back: what wasn't touched may have more than 32 bits."""
    return value if changed else before


@contextmanager
def _bar(origin: float, share: float) -> Iterator[None]:
    """Draws a slider's frame and its fill from `origin` to `share` of the width; ImGui's slider goes over it, clear."""
    low = imgui.get_cursor_screen_pos()
    width, height = imgui.calc_item_width(), imgui.get_frame_height()
    draw, rounding = imgui.get_window_draw_list(), imgui.get_style().frame_rounding
    alpha = imgui.get_style().alpha
    draw.add_rect_filled(low, ImVec2(low.x + width, low.y + height), theme.ink("frame", alpha), rounding)
    ends = sorted((low.x + origin * width, low.x + share * width))
    draw.add_rect_filled(ImVec2(ends[0], low.y), ImVec2(ends[1], low.y + height), theme.ink("accent_low", alpha),
                         rounding)
    edge = min(max(low.x + share * width, low.x + theme.em(0.07)), low.x + width - theme.em(0.07))
    draw.add_rect_filled(ImVec2(edge - theme.em(0.07), low.y), ImVec2(edge + theme.em(0.07), low.y + height),
                         theme.ink("accent", alpha), theme.em(0.07))
    clear, slots, push = theme.color("text", 0.0), imgui.Col_, imgui_ctx.push_style_color
    with push(slots.frame_bg, clear), push(slots.frame_bg_hovered, theme.color("text", 0.06)), \
            push(slots.frame_bg_active, theme.color("text", 0.09)), push(slots.slider_grab, clear), \
            push(slots.slider_grab_active, clear):
        yield


def number(name: str, value: float, default: float, form: str = "%.3f", step: float = 0.01, tip: str = "",
           why_not: str = "") -> float:
    """Drag sideways, or double-click to type."""
    with row(name, tip, value != default, why_not) as line:
        value = decimal(value, *imgui.drag_float("##number", value, step, format=form))
        report.mark(name)
    return default if line.reset else value


def integer(name: str, value: int, low: int, high: int, default: int, tip: str = "", why_not: str = "",
            width: float = -1.0) -> int:
    """An integer with - and + buttons; typing takes effect at Enter."""
    with row(name, tip, value != default, why_not, width) as line:
        changed, typed = imgui.input_int("##integer", in_32_bits(value), 1, 10,
                                         imgui.InputTextFlags_.enter_returns_true)
        report.mark(name)
    return default if line.reset else min(max(typed, low), high) if changed else value


def toggle(name: str, value: bool, default: bool, tip: str = "", why_not: str = "") -> bool:
    with row(name, tip, value != default, why_not) as line:
        _, value = imgui.checkbox("##toggle", value)
        report.mark(name)
    return default if line.reset else value


def menu(name: str, value: str, options: Sequence[str], default: str, tip: str = "", why_not: str = "",
         tips: Sequence[str] = (), why_nots: Sequence[str] = ()) -> str:
    """One of several options, in a list that drops down. `tips`, `why_nots`: as in `drop_down`."""
    with row(name, tip, value != default, why_not) as line:
        value = drop_down(name, value, options, tips, why_nots)
    return default if line.reset else value


def drop_down(name: str, value: str, options: Sequence[str], tips: Sequence[str] = (), why_nots: Sequence[str] = (),
              ) -> str:
    """`tips`: one for each option; `why_nots` likewise: why it can't be chosen, if it can't."""
    chosen = value
    with combo(name, value) as opened:
        for index, option in enumerate(options if opened else ()):
            why_not = why_nots[index] if why_nots else ""
            with disabled(why_not):
                if imgui.selectable(option, option == value)[0]:
                    chosen = option
            report.mark(f"{name}/{option}")
            hint(why_not or (tips[index] if tips else ""))
    return chosen


@contextmanager
def combo(name: str, shown: str) -> Iterator[bool]:
    """A list that drops down; what is inside is drawn while it is open."""
    at, width = imgui.get_cursor_screen_pos(), imgui.calc_item_width()
    report.mark_rectangle(name, at.x, at.y, at.x + width, at.y + imgui.get_frame_height())
    opened = imgui.begin_combo(f"##{name}", shown)
    try:
        yield opened
    finally:
        if opened:
            imgui.end_combo()


def segments(name: str, value: str, options: Sequence[str], default: str, tip: str = "", why_not: str = "") -> str:
    """One of a few options, side by side."""
    with row(name, tip, value != default, why_not) as line:
        value = segmented(name, value, options, imgui.calc_item_width())
    return default if line.reset else value


def segmented(name: str, value: str, options: Sequence[str], width: float, tips: Sequence[str] = ()) -> str:
    """`tips`: one for each option."""
    gap = 1.0
    tight = ImVec2(1, imgui.get_style().frame_padding.y)
    chosen = value
    with imgui_ctx.push_style_var(imgui.StyleVar_.frame_padding, tight):
        for index, (option, each) in enumerate(zip(options, _shares(options, width - gap * (len(options) - 1)))):
            if index:
                imgui.same_line(0, gap)
            if _pressed(option, option == value, ImVec2(each, 0)):
                chosen = option
            report.mark(f"{name}/{option}")
            hint(tips[index] if tips else "")
    return chosen


def _shares(options: Sequence[str], width: float) -> list[float]:
    """The same width for every option; where the longest wouldn't fit, as much air around each."""
    even, needed = width / len(options), [imgui.calc_text_size(option).x for option in options]
    air = (width - sum(needed)) / len(options)
    return [even if max(needed) + theme.em(0.3) <= even else n + air for n in needed]


def _pressed(words: str, chosen: bool, size: ImVec2) -> bool:
    """A button that stays down while chosen."""
    colors = ("accent_low", "accent_low") if chosen else ("frame", "frame_hovered")
    with imgui_ctx.push_style_color(imgui.Col_.button, theme.color(colors[0])), \
            imgui_ctx.push_style_color(imgui.Col_.button_hovered, theme.color(colors[1])), \
            imgui_ctx.push_style_color(imgui.Col_.text, theme.color("text" if chosen else "dim")):
        return imgui.button(words, size)


def text_field(name: str, value: str, placeholder: str = "", tip: str = "") -> tuple[str, bool]:
    """Returns the text and whether Enter was pressed; without a label: it takes the whole line."""
    imgui.set_next_item_width(-1)
    entered, value = imgui.input_text_with_hint(f"##{name}", placeholder, value,
                                                imgui.InputTextFlags_.enter_returns_true)
    report.mark(name)
    hint(tip)
    return value, entered


# -- buttons ----------------------------------------------------------------------------------------------------------

def button(words: str, tip: str = "", why_not: str = "", width: float = 0.0, name: str = "",
           chosen: bool = False) -> bool:
    """`width` 0: as wide as the words; negative: up to that far from the right edge."""
    with disabled(why_not):
        pressed = _pressed(words, chosen, ImVec2(width, 0)) if chosen else imgui.button(words, ImVec2(width, 0))
    report.mark(name or words)
    hint(why_not or tip)
    return pressed


def small_toggle(words: str, chosen: bool, tip: str = "", name: str = "", why_not: str = "",
                 lit: str = "accent") -> bool:
    """A word in small print that stays lit while chosen; returns whether it was pressed."""
    clear = theme.color("panel", 0.0)
    with disabled(why_not), imgui_ctx.push_style_color(imgui.Col_.button, clear), \
            imgui_ctx.push_style_color(imgui.Col_.text, theme.color(lit if chosen else "faint")), \
            imgui_ctx.push_style_var(imgui.StyleVar_.frame_padding, ImVec2(theme.em(0.25), 0)):
        pressed = imgui.button(f"{words}##{name}")
    report.mark(name or words)
    hint(why_not or tip)
    return pressed


def icon(glyph: str, name: str, tip: str = "", why_not: str = "", chosen: bool = False) -> bool:
    """A small button without a frame; lit while chosen."""
    side = imgui.get_frame_height()
    clear = imgui.Col_.button
    with disabled(why_not), imgui_ctx.push_style_color(clear, theme.color("panel", 0.0)), \
            imgui_ctx.push_style_color(imgui.Col_.text, theme.color("accent" if chosen else "dim")), \
            imgui_ctx.push_style_var(imgui.StyleVar_.frame_padding, ImVec2(0, imgui.get_style().frame_padding.y)):
        pressed = imgui.button(f"{glyph}##{name}", ImVec2(side, 0))
    report.mark(name)
    hint(why_not or tip)
    return pressed


def even_width(count: int) -> float:
    """Width of each of `count` widgets that share what is left of the line."""
    spacing = imgui.get_style().item_spacing.x
    return (imgui.get_content_region_avail().x - spacing * (count - 1)) / count
