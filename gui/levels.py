"""How values become brightness: y = gain s + offset is shown from -1 to 1, s being the signal that View.range made.

Whatever that range is, s = (x - center) / reach for some center and reach of the signal. A result tells them by the
view it was rendered with and by the values that it shows in the least and the largest colour: its `limits`.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, replace

from renderer.types import RenderResult, TapStats, View

MAX_GAIN_DB = 200.0                      # as much as dragging and 'Auto' may ask for
LOW, HIGH = 0.005, 0.995                 # the quantiles that 'Auto' shows

MOST_GAIN_DB = 300.0                     # more is shown as this much, as renderer.view does

Limits = tuple[float, float]             # values shown in the least and in the largest colour


def gain_of(gain_db: float) -> float:
    return 10 ** (min(max(gain_db, -MOST_GAIN_DB), MOST_GAIN_DB) / 20)


@dataclass(frozen=True)
class Scale:
    """s = (x - center) / reach."""
    center: float = 0.0
    reach: float = 1.0

    def limits(self, view: View) -> Limits:
        """The values that gain and offset of `view` show as -1 and 1."""
        gain = gain_of(view.gain_db)
        return tuple(self.center + self.reach * (y - view.offset) / gain for y in (-1.0, 1.0))

    def showing(self, view: View, limits: Limits) -> View:
        """`view` with the gain and the offset that show `limits`: a gain beyond MAX_GAIN_DB is held there."""
        low, high = limits
        span = max(high - low, 1e-30)
        gain_db = 20 * math.log10(2 * self.reach / span)
        gain_db = min(max(gain_db, -MAX_GAIN_DB), MAX_GAIN_DB)
        middle = ((low + high) / 2 - self.center) / self.reach
        return replace(view, gain_db=gain_db, offset=-middle * 10 ** (gain_db / 20))


def scale_of(view: View, limits: Limits) -> Scale:
    """The scale under which `view` shows `limits`."""
    gain = gain_of(view.gain_db)
    reach = gain * (limits[1] - limits[0]) / 2
    return Scale((limits[0] + limits[1]) / 2 + reach * view.offset / gain, reach)


def shown_scale(result: RenderResult, view: View) -> Scale | None:
    """The scale of `result`, if it still holds for `view`: gain and offset alone may be newer."""
    was = result.request.view
    same = replace(view, gain_db=was.gain_db, offset=was.offset, order=was.order, colormap=was.colormap) == was
    if result.limits is None or not same or not result.limits[1] > result.limits[0]:
        return None
    return scale_of(was, result.limits)


def quantile(stats: TapStats, share: float) -> float:
    """The value that `share` (0..1) of the histogram lies below; a bin's values count as spread evenly over it."""
    wanted, below = share * sum(stats.histogram), 0
    width = (stats.maximum - stats.minimum) / len(stats.histogram)
    for index, count in enumerate(stats.histogram):
        if count and below + count >= wanted:
            return stats.minimum + width * (index + (wanted - below) / count)
        below += count
    return stats.maximum


def auto(view: View, stats: TapStats) -> View:
    """`view` with the values from the 0.5 % to the 99.5 % quantile filling the range.

    The histogram is of the tap's own values: the mean over channels, their RMS or their PCA is shown from its least to
    its largest value instead. So is a tap of which nothing is finite, or all is the same.
    """
    low, high = (quantile(stats, share) for share in (LOW, HIGH)) if sum(stats.histogram) else (0.0, 0.0)
    if view.mode in ("mean", "rms", "pca") or not high > low:
        return replace(view, range="minmax", gain_db=0.0, offset=0.0)
    return Scale().showing(replace(view, range="fixed"), (low, high))
