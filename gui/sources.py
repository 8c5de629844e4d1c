"""Sources of styles, seeds and saved ones: written as '1-4, 9', chosen from a list, shown as chips."""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from imgui_bundle import imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.requests import MAX_SEED, name_of
from gui.rows import spans
from renderer.many import source_name
from renderer.types import Array, ModelInfo, RenderRequest, Source, sources

MOST = 64                                # sources in either direction of a table
SEEDS = "Seeds as 1-4, 9"
NOTHING_SAVED = "Nothing is saved yet: keep what is shown as a favourite first"

Saved = Callable[[ModelInfo | None], Sequence[Source]]
Looked = tuple[RenderRequest, np.ndarray] | None     # the latest single picture: its request, and ws [N, num_ws, w_dim]


class SourceList:
    """A line of seeds to type in, saved sources as chips behind it."""

    def __init__(self, name: str, tip: str):
        self._name, self._tip = name, tip
        self._text = ""
        self._said: tuple[int, ...] | None = None    # the seeds that `_text` was last written for

    def __call__(self, chosen: tuple[Source, ...], saved: Sequence[Source], looked: Looked) -> tuple[Source, ...]:
        seeds = tuple(source.seed for source in chosen if is_plain(source))
        chips = tuple(source for source in chosen if not is_plain(source))
        if seeds != self._said:
            self._text, self._said = spans(seeds), seeds
        with widgets.row(self._name, self._tip):
            with imgui_ctx.push_id(self._name):
                seeds = self._field(seeds, MOST - len(chips))
                imgui.same_line(0, 0)
                full = f"{MOST} sources are the most" if len(seeds) + len(chips) >= MOST else ""
                added = add_button(saved, looked, full, f"Add {self._name.lower()}")
                chips = _chips(self._name, chips)
        return (*sources(*seeds), *chips, *([added] if added else ()))

    def _field(self, seeds: tuple[int, ...], most: int) -> tuple[int, ...]:
        imgui.set_next_item_width(imgui.calc_item_width() - imgui.get_frame_height())
        read = numbers(self._text)
        bad = self._text.strip() and (not read or len(read) > most)
        with imgui_ctx.push_style_color(imgui.Col_.text, theme.color("error" if bad else "text")):
            changed, self._text = imgui.input_text_with_hint("##seeds", SEEDS, self._text)
        report.mark(self._name)
        widgets.hint(f"{self._tip}. {SEEDS}" + (f"; at most {most} of them" if bad else ""))
        if not changed:
            return seeds
        read = numbers(self._text)
        if self._text.strip() and not read or len(read) > most:
            return seeds
        self._said = read
        return read


def _chips(name: str, chips: tuple[Source, ...]) -> tuple[Source, ...]:
    """As many to a line as fit; a click removes one."""
    room, kept, used = imgui.get_content_region_avail().x, list(chips), 0.0
    gap, padding = theme.em(0.3), 2 * imgui.get_style().frame_padding.x
    for index, source in enumerate(chips[:MOST]):        # a state may hold more
        words = f"{widgets.shorten(source_name(source), room - theme.em(2.2))} {fonts.CLOSE}"
        width = imgui.calc_text_size(words).x + padding
        if used and used + gap + width <= room:
            imgui.same_line(0, gap)
            used += gap
        else:
            used = 0.0
        used += width
        tip = f"{source_name(source)}: a saved {'w' if source.w else 'seed'}. Click to remove it"
        if widgets.button(f"{words}##{index}", tip, name=f"{name} chip {index}"):
            kept.remove(source)
    return tuple(kept)


def add_button(saved: Sequence[Source], looked: Looked, why_not: str, name: str) -> Source | None:
    """A + with a list of what is saved and what is shown; returns what was chosen."""
    if widgets.icon("+", name, "Adds a saved latent, or the one shown", why_not):
        imgui.open_popup(name)
    chosen = None
    with imgui_ctx.begin_popup(name) as popup:
        if popup:
            if looked is not None and imgui.menu_item_simple(f"The w shown, {name_of(looked[0])}"):
                chosen = Source(w=Array.of(looked[1][0]), name=name_of(looked[0]))
            report.mark("The w shown")
            imgui.separator()
            for index, source in enumerate(saved):
                if imgui.menu_item_simple(f"{source_name(source)}##{index}"):
                    chosen = source
                report.mark(source_name(source))
            if not saved:
                widgets.text(NOTHING_SAVED, "faint")
    return chosen


def is_plain(source: Source) -> bool:
    """A seed without a name."""
    return source.w is None and not source.name


def numbers(text: str) -> tuple[int, ...]:
    """'1-4, 9' -> (1, 2, 3, 4, 9); () where it can't be read or is too long."""
    found: list[int] = []
    for part in filter(None, re.split(r"[,;\s]+", text.strip())):
        match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part)
        if not match:
            return ()
        first, last = int(match[1]), int(match[2] or match[1])
        if last - first >= MOST or last > MAX_SEED:
            return ()
        found += range(first, last + 1)
    return tuple(found) if len(found) <= MOST else ()
