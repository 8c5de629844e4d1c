"""The legend beside a picture: which value has which colour."""
from __future__ import annotations

from dataclasses import dataclass, replace

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
    name: str = ""                       # of what it belongs to, where there are several


def bars_of(result: RenderResult) -> tuple[Bar, ...]:
    view = result.request.view
    return (Bar(view.colormap, result.limits),) if view.mode in COLOURED and result.limits else ()


def bars_of_both(a: RenderResult, b: RenderResult) -> tuple[Bar, ...]:
    """One if it is true of both pictures, else one of each by name."""
    one, other = bars_of(a), bars_of(b)
    return one if one == other else tuple(replace(bar, name=name) for name, bars in (("A", one), ("B", other))
                                          for bar in bars)


def ticks(limits: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """(value, place 0..1 from below): both ends, and zero between them, or else the middle."""
    low, high = limits
    if not low < high:
        return ((low, 0.0), (high, 1.0))
    zero = -low / (high - low)
    inside = (0.0, zero) if 0.1 < zero < 0.9 else ((low + high) / 2, 0.5)
    return (low, 0.0), inside, (high, 1.0)


def draw_legends(draw: imgui.ImDrawList, bars: tuple[Bar, ...], room: Rectangle) -> None:
    """Below one another, each with as much of the room's height."""
    height = (room[3] - room[1]) / len(bars)
    for index, bar in enumerate(bars):
        top = room[1] + index * height
        draw_legend(draw, bar, (room[0], top, room[2], top + height))


def draw_legend(draw: imgui.ImDrawList, bar: Bar, room: Rectangle) -> None:
    """At the left edge of a room of WIDTH_EMS, at most 16 ems high, in its middle, its name above it."""
    height = min(room[3] - room[1] - theme.em(4 if bar.name else 2), theme.em(16))
    if height < theme.em(4):
        return
    left, top = room[0] + theme.em(0.6), round((room[1] + room[3] - height) / 2)
    right, bottom = left + theme.em(0.8), top + height
    report.mark_rectangle(f"Colour bar {bar.name}".rstrip(), left, top, right, bottom)
    if bar.name:
        at = ImVec2(left, top - 1.6 * imgui.get_font_size())
        draw.add_text(at, theme.ink("accent" if bar.name == "A" else "warning"), bar.name)
    gradient(draw, ImVec2(left, top), ImVec2(right, bottom), bar.colormap, upward=True)
    draw.add_rect(ImVec2(left, top), ImVec2(right, bottom), theme.ink("line"))
    for value, place in ticks(bar.limits):
        y = round(bottom - place * height)
        draw.add_line(ImVec2(right, y), ImVec2(right + theme.em(0.25), y), theme.ink("dim"))
        at = ImVec2(right + theme.em(0.4), y - imgui.get_font_size() / 2)
        draw.add_text(at, theme.ink("text"), figures(value))
