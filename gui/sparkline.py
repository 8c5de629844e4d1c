"""Small radial spectra for a list: every curve over its own frequencies, all on one scale of levels."""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from imgui_bundle import ImVec2, imgui

from gui import theme
from renderer.types import TapInfo, TapSummary

POINTS = 48                              # of a curve, at most
DEPTH = 70.0                             # dB below the highest level that are shown, at most
STEP = 10.0                              # dB: the range is whole steps, so that it keeps still while a seed is dragged
Range = tuple[float, float]              # the lowest and the highest level, in dB


def level_range(strip: Sequence[TapSummary]) -> Range:
    """One range for all curves, as far as they are finite."""
    levels = [curve.radial[np.isfinite(curve.radial)] for curve in strip]
    levels = [level for level in levels if len(level)]
    if not levels:
        return -DEPTH, 0.0
    high = STEP * math.ceil(max(float(level.max()) for level in levels) / STEP)
    low = STEP * math.floor(min(float(level.min()) for level in levels) / STEP)
    return min(max(low, high - DEPTH), high - STEP), high


def points_of(summary: TapSummary, levels: Range) -> list[tuple[float, float]]:
    """The curve as (x, y) from 0 to 1: zero frequency to Nyquist, the lowest to the highest level."""
    known = np.isfinite(summary.radial)
    radial, frequencies = summary.radial[known], summary.frequencies[known]
    if len(radial) < 2:
        return []
    groups = np.linspace(0, len(radial), min(POINTS, len(radial)) + 1).astype(int)[:-1]
    counts = np.diff(np.append(groups, len(radial)))
    y = (np.add.reduceat(radial, groups) / counts - levels[0]) / (levels[1] - levels[0])
    x = np.add.reduceat(frequencies, groups) / counts / summary.frequencies[-1]
    return list(zip(x.tolist(), y.clip(0, 1).tolist()))


class Sparklines:
    """Draws curves; what that takes is computed when one is first seen, or seen elsewhere."""

    def __init__(self):
        self._points: dict[str, tuple[TapSummary, tuple, list[ImVec2]]] = {}     # and where it was seen

    def draw(self, draw: imgui.ImDrawList, summary: TapSummary, tap: TapInfo, levels: Range, low: ImVec2, size: ImVec2,
             alpha: float) -> None:
        """`low`: the upper left corner. A faint line stands at the mean level, another at the tap's cutoff."""
        high = ImVec2(low.x + size.x, low.y + size.y)
        draw.add_rect_filled(low, high, theme.ink("backdrop", alpha), theme.em(0.15))
        mean = high.y - size.y * -levels[0] / (levels[1] - levels[0])
        if low.y < mean < high.y:
            draw.add_line(ImVec2(low.x, mean), ImVec2(high.x, mean), theme.ink("line", alpha))
        if tap.cutoff is not None and tap.cutoff < tap.rate / 2:
            x = low.x + size.x * tap.cutoff / (tap.rate / 2)
            draw.add_line(ImVec2(x, low.y), ImVec2(x, high.y), theme.ink("accent_low", alpha))
        points = self._curve(summary, levels, (low.x, high.y, size.x, size.y))
        if points:
            draw.add_polyline(points, theme.ink("text", 0.9 * alpha), thickness=max(theme.em(0.08), 1.0), flags=0)

    def _curve(self, summary: TapSummary, levels: Range, place: tuple[float, float, float, float]) -> list[ImVec2]:
        """On the screen; `place`: left, bottom, width, height."""
        kept, (left, bottom, width, height) = self._points.get(summary.name), place
        if kept is None or kept[0].radial is not summary.radial or kept[1] != (levels, place):
            points = [ImVec2(left + x * width, bottom - y * height) for x, y in points_of(summary, levels)]
            kept = self._points[summary.name] = summary, (levels, place), points
        return kept[2]
