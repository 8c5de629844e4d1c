"""Notices: a line under the menus that asks or offers something, with its buttons. Nothing has to be answered."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imgui_bundle import imgui

from gui import fonts, report, theme, widgets


@dataclass(frozen=True)
class Notice:
    topic: str                           # a newer notice on the same topic takes its place
    text: str                            # one sentence
    buttons: tuple[tuple[str, Callable[[], None]], ...]      # words and what they do; each also ends the notice
    details: str = ""                    # on hover


class Notices:
    """One is shown at a time, the newest first."""

    def __init__(self):
        self._all: list[Notice] = []

    @property
    def shown(self) -> Notice | None:
        return self._all[-1] if self._all else None

    def offer(self, notice: Notice) -> None:
        self.withdraw(notice.topic)
        self._all.append(notice)

    def withdraw(self, topic: str) -> None:
        self._all = [notice for notice in self._all if notice.topic != topic]

    def answer(self, words: str) -> None:
        """What a click on the button `words` does."""
        notice = self._all.pop()
        dict(notice.buttons)[words]()

    def draw(self) -> None:
        if self.shown is None:
            return
        with widgets.edge_bar("Notice", imgui.Dir.up, "notice", (0.8, 0.25)):
            self._content(self.shown)

    def _content(self, notice: Notice) -> None:
        style = imgui.get_style()
        widths = [imgui.calc_text_size(words).x + 2 * style.frame_padding.x for words, _ in notice.buttons]
        buttons = sum(widths) + style.item_spacing.x * len(widths)
        imgui.align_text_to_frame_padding()
        widgets.text(fonts.INFO, "accent")
        imgui.same_line(0, theme.em(0.6))
        widgets.clipped(notice.text, room=imgui.get_content_region_avail().x - buttons - theme.em(0.5))
        report.mark("Text")
        widgets.hint(notice.details)
        imgui.same_line(imgui.get_window_width() - buttons - theme.em(0.5))
        for index, (words, _) in enumerate(notice.buttons):
            if index:
                imgui.same_line()
            if widgets.button(words, chosen=index == 0):
                self.answer(words)
