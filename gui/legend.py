"""The legend beside a picture: which value has which colour."""
from __future__ import annotations

from dataclasses import dataclass

from imgui_bundle import ImVec2, imgui

from gui import report, theme
from gui.colorbar import gradient
from gui.placement import Rectangle
from gui.values import figures
from renderer.types import RenderResult

WIDTH_EMS = 5.2
COLOURED = ("channel", "mean", "rms", "sheet")       # view modes that go through a colormap


@dataclass(frozen=True)
class Bar:
    colormap: str
    limits: tuple[float, float]          # values in the least and in the largest colour


def bar_of(result: RenderResult) -> Bar | None:
    view = result.request.view
    return Bar(view.colormap, result.limits) if view.mode in COLOURED and result.limits else None


def ticks(limits: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """(value, place 0..1 from below): both ends, and zero between them, or else the middle."""
    low, high = limits
    if not low < high:
        return ((low, 0.0), (high, 1.0))
    zero = -low / (high - low)
    inside = (0.0, zero) if 0.1 < zero < 0.9 else ((low + high) / 2, 0.5)
    return (low, 0.0), inside, (high, 1.0)


def draw_legend(draw: imgui.ImDrawList, bar: Bar, room: Rectangle) -> None:
    """At the left edge of a room of WIDTH_EMS, at most 16 ems high, in its middle."""
    height = min(room[3] - room[1] - theme.em(2), theme.em(16))
    if height < theme.em(4):
        return
    left, top = room[0] + theme.em(0.6), round((room[1] + room[3] - height) / 2)
    right, bottom = left + theme.em(0.8), top + height
    report.mark_rectangle("Colour bar", left, top, right, bottom)
    gradient(draw, ImVec2(left, top), ImVec2(right, bottom), bar.colormap, upward=True)
    draw.add_rect(ImVec2(left, top), ImVec2(right, bottom), theme.ink("line"))
    for value, place in ticks(bar.limits):
        y = round(bottom - place * height)
        draw.add_line(ImVec2(right, y), ImVec2(right + theme.em(0.25), y), theme.ink("dim"))
        at = ImVec2(right + theme.em(0.4), y - imgui.get_font_size() / 2)
        draw.add_text(at, theme.ink("text"), figures(value))
