"""From a tap to what is seen of it: picture, statistics, spectrum."""
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nets.errors import UserError
from renderer.colormaps import BACKDROP, BAD, colours
from renderer.measures import spectrum as measure
from renderer.modes import Picked, pick, sheet_layout
from renderer.types import Cells, Spectrum, SpectrumResult, TapInfo, TapStats, View

HISTOGRAM_BINS = 64
HISTOGRAM_VALUES = 1 << 20               # more are sampled: a histogram costs more than all other statistics together
MAX_GAIN_DB, MAX_OFFSET = 300, 1e30      # beyond, float32 has nothing to show


class Drawn(NamedTuple):
    """A tap as it is shown."""
    picture: np.ndarray                  # uint8 [H, W, 3], read-only
    limits: tuple[float, float] | None   # as RenderResult.limits
    cells: Cells | None = None           # of a sheet


def picture(x: Tensor, view: View) -> np.ndarray:
    """x [C, H, W], any float type -> uint8 [H, W, 3], read-only. Raises UserError on names that do not exist."""
    return draw(pick(x, view), tuple(x.shape), view).picture


def draw(picked: Picked, shape: tuple[int, int, int], view: View) -> Drawn:
    """What was picked of a tap [C, H, W] as `view` shows it (types.View), what is not finite in magenta.

    The byte of y is round(127.5 y + 127.5), clipped; three channels are RGB, one alone is the index of a colour. Least
    and largest values, and largest magnitudes, are those of the finite part; where all are the same they divide by 1.
    """
    in_colour = view.mode in ("rgb", "pca")
    y, bad, low, high = _finite(picked.y, together=in_colour)
    centre, half = _scale(y, low, high, view.range)
    gain, offset = _exposure(view)
    shown = _bytes((y - centre).div_(half.to(y)[:, None, None]), gain, offset)
    cells = None
    if view.mode == "sheet":
        columns, size = sheet_layout(shape)
        cells = Cells(columns, size, (0, 0), picked.channels)
        shown, bad = _arrange(shown, columns), None if bad is None else _arrange(bad, columns)
    if in_colour:
        pixels = shown[[min(i, len(shown) - 1) for i in range(3)]].transpose(1, 2, 0).copy()
    else:
        pixels = colours(view.colormap).take(shown[0], axis=0, mode="clip")    # without checks: the quicker
    if bad is not None:
        pixels[bad[0]] = BAD
    if cells is not None:
        _clear_rest(pixels, cells)
    return Drawn(read_only(pixels), _limits(centre, half, gain, offset), cells)


def levels(picked: Picked, view: View) -> Tensor:
    """What was picked in the levels it is shown in before they are rounded, 0..255: float32 [K, h, w]. What is not
    finite counts as 0."""
    y, _, low, high = _finite(picked.y, together=False)
    centre, half = _scale(y, low, high, view.range)
    return _levels((y - centre).div_(half.to(y)[:, None, None]), *_exposure(view))


def _finite(y: Tensor, together: bool) -> tuple[Tensor, np.ndarray | None, float, float]:
    """y [K, h, w] with 0 for what is not finite, where that is [K, h, w] (None: nowhere), and the other values' bounds.

    `together`: a pixel is as good as its worst channel.
    """
    low, high = (bound.item() for bound in y.aminmax())
    if math.isfinite(low) and math.isfinite(high):
        return y, None, low, high
    good = torch.isfinite(y)
    if together:
        good = good.all(dim=0).expand_as(y)
    values = y[good]
    low, high = (bound.item() for bound in values.aminmax()) if len(values) else (0.0, 0.0)
    return y.masked_fill(~good, 0), (~good).cpu().numpy(), low, high


def _scale(y: Tensor, low: float, high: float, wanted: str) -> tuple[float, Tensor]:
    """(centre, half [1 or K], float64) of s = (y - centre) / half, `wanted` as View.range; low and high: y's bounds."""
    centre, half = 0.0, torch.ones(1, dtype=torch.float64)
    if wanted == "symmetric":
        half = half * max(-low, high)
    elif wanted == "minmax":
        centre, half = (low + high) / 2, half * (high - low) / 2
    elif wanted == "each":
        half = y.abs().amax(dim=(1, 2)).cpu().double()
    elif wanted != "fixed":
        raise UserError(f"there is no range '{wanted}'; there are fixed, symmetric, minmax and each.")
    return centre, half.where(half.float() > 0, 1.0)


def _limits(centre: float, half: Tensor, gain: float, offset: float) -> tuple[float, float] | None:
    """The values shown at -1 and at 1; None if channels differ in them."""
    if (half != half[0]).any():
        return None
    low, high = (centre + half[0].item() * (end - offset) / gain for end in (-1, 1))
    return low, high


def _arrange(planes: np.ndarray, columns: int) -> np.ndarray:
    """[K, h, w] in reading order as one [1, rows h, columns w], the rest 0."""
    count, height, width = planes.shape
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows, height, columns, width), planes.dtype)
    for i, plane in enumerate(planes):
        sheet[i // columns, :, i % columns] = plane
    return sheet.reshape(1, rows * height, columns * width)


def _clear_rest(pixels: np.ndarray, cells: Cells) -> None:
    """Shows where a sheet has no channel."""
    rest = -len(cells.shown) % cells.columns
    if rest:
        pixels[-cells.size[0]:, -rest * cells.size[1]:] = BACKDROP


def _exposure(view: View) -> tuple[float, float]:
    """(gain, offset)."""
    gain = 10 ** (min(max(view.gain_db, -MAX_GAIN_DB), MAX_GAIN_DB) / 20)
    return gain, min(max(view.offset, -MAX_OFFSET), MAX_OFFSET)


def _bytes(s: Tensor, gain: float = 1.0, offset: float = 0.0) -> np.ndarray:
    return _levels(s, gain, offset).round_().to(torch.uint8).cpu().numpy()


def _levels(s: Tensor, gain: float, offset: float) -> Tensor:
    """y = gain s + offset from -1..1 to 0..255, clipped."""
    return (s * (127.5 * gain)).add_(127.5 * offset + 127.5).clamp_(0, 255)


def stats(x: Tensor, name: str, clamp: float | None) -> TapStats:
    """Of x [C, H, W], the finite part of it; `clamp`: the magnitude the layer clamps this signal to."""
    values, nonfinite = x.float().flatten(), 0.0
    low, high = (bound.item() for bound in values.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        finite = values[torch.isfinite(values)]
        nonfinite = 1 - len(finite) / len(values)
        values = finite if len(finite) else torch.full([1], torch.nan)
        low, high = (bound.item() for bound in values.aminmax())
    return TapStats(
        name=name, shape=tuple(x.shape), dtype=str(x.dtype).removeprefix("torch."),
        mean=values.mean().item(), std=values.std(correction=0).item(), absmax=max(-low, high), minimum=low,
        maximum=high, nonfinite=nonfinite, clamped=None if clamp is None else _share_clamped(x, clamp),
        histogram=_histogram(values, low, high))


def _share_clamped(x: Tensor, clamp: float) -> float:
    """The share of x at or beyond ±clamp, in x's own precision."""
    return (x.abs() >= torch.tensor(clamp, dtype=x.dtype)).sum().item() / x.numel()


def _histogram(values: Tensor, low: float, high: float) -> tuple[int, ...]:
    """Counts in HISTOGRAM_BINS equal bins from low to high, of every k-th value where there are very many.

    k is odd: an even one would meet the same columns of every row.
    """
    if not low <= high:                  # nothing finite
        return (0,) * HISTOGRAM_BINS
    step = math.ceil(len(values) / HISTOGRAM_VALUES) | 1
    return tuple(int(count) for count in torch.histc(values[::step], HISTOGRAM_BINS, low, high).tolist())


def spectrum(s: Tensor, wanted: Spectrum, tap: TapInfo, previous_nyquist: float | None) -> SpectrumResult:
    """The picture and curves of a centred power spectrum S [H, W]; ±range_db spans the colormap, NaN is magenta."""
    level = measure.decibels(s)
    levels = level.cpu().numpy().astype(np.float32)
    bad = np.isnan(levels)
    pixels = colours(wanted.colormap)[_bytes(level.nan_to_num(0) / max(wanted.range_db, 1e-3))]
    pixels[bad] = BAD
    curves = (curve.cpu().numpy().astype(np.float32) for curve in measure.profiles(s, tap.rate))
    frequencies, radial, slice_0, slice_45 = map(read_only, curves)
    return SpectrumResult(
        picture=read_only(pixels), extent=(tap.rate, tap.rate), radial=radial, frequencies=frequencies,
        cutoff=tap.cutoff, stopband=tap.stopband, nyquist=tap.rate / 2, previous_nyquist=previous_nyquist,
        slice_0=slice_0, slice_45=slice_45, levels=read_only(levels))


def as_numpy(x: Tensor) -> np.ndarray:
    """x as it is, without a copy where that can be; bfloat16, which NumPy lacks, as float32. Read-only."""
    return read_only((x.float() if x.dtype == torch.bfloat16 else x).cpu().numpy())


def read_only(array: np.ndarray) -> np.ndarray:
    """Marks an array that goes across threads."""
    array.flags.writeable = False
    return array
