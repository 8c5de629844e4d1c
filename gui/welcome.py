"""What the viewer shows without a picture: a welcome while nothing is open, remedies after a failure to open."""
from __future__ import annotations

from collections.abc import Callable

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import fonts, theme, widgets
from gui.recents import Recents
from gui.requests import opening, reopened, shown_name
from renderer.types import DEMOS, RenderRequest


class Welcome:
    """`ask()` lets the person choose a file."""

    def __init__(self, ask: Callable[[], None], recents: Recents):
        self._ask, self._recents = ask, recents
        self._height = 0.0               # of the welcome when it was drawn last

    def welcome(self, request: RenderRequest) -> RenderRequest:
        width = min(theme.em(26), imgui.get_content_region_avail().x)
        _center(width, self._height or theme.em(17))
        with imgui_ctx.begin_group():
            request = self._choices(request, width)
        self._height = imgui.get_item_rect_size().y
        return request

    def _choices(self, request: RenderRequest, width: float) -> RenderRequest:
        widgets.heading("Open a StyleGAN checkpoint")
        widgets.wrapped("Drop a .pkl or .safetensors file anywhere on this window, paste a path or URL (Ctrl+V), or "
                        "choose a file:", "dim", width)
        imgui.dummy(ImVec2(0, theme.em(0.3)))
        if widgets.button(f"{fonts.FOLDER}  Open…   Ctrl+O", width=width, name="Open", chosen=True):
            self._ask()
        if self._recents.paths():
            imgui.dummy(ImVec2(0, theme.em(0.6)))
            widgets.text("Recent", "dim")
            request = self._recents.draw(request, width, 4)
        imgui.dummy(ImVec2(0, theme.em(0.6)))
        widgets.wrapped("Or try a demo: small, freshly initialised, untrained.", "dim", width)
        half = (width - imgui.get_style().item_spacing.x) / 2
        for index, path in enumerate(f"demo:{name}" for name in DEMOS):
            if index % 2:
                imgui.same_line()
            if widgets.button(shown_name(path), width=half, name=path):
                request = opening(request, path)
        return request

    def failed(self, request: RenderRequest, error: str) -> RenderRequest:
        width = min(theme.em(30), imgui.get_content_region_avail().x)
        _center(width, theme.em(10))
        with imgui_ctx.begin_group():
            return self._remedies(request, error, width)

    def _remedies(self, request: RenderRequest, error: str, width: float) -> RenderRequest:
        widgets.heading("This could not be opened")
        widgets.wrapped(error, "text", width)
        imgui.dummy(ImVec2(0, theme.em(0.5)))
        if widgets.button(f"{fonts.RELOAD}  Try again", name="Try again"):
            request = reopened(request)
        imgui.same_line()
        if widgets.button(f"{fonts.FOLDER}  Open…", name="Open"):
            self._ask()
        imgui.same_line()
        if widgets.button(f"{fonts.COPY}  Copy", "Copies the message", name="Copy"):
            imgui.set_clipboard_text(error)
        return request


def _center(width: float, height: float) -> None:
    room, at = imgui.get_content_region_avail(), imgui.get_cursor_pos()
    imgui.set_cursor_pos(ImVec2(at.x + max((room.x - width) / 2, 0), at.y + max((room.y - height) / 2, 0)))
