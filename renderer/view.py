"""From a tap to what is seen of it: picture, statistics, spectrum."""
from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from renderer.colormaps import BAD, colours
from renderer.measures import spectrum as measure
from renderer.types import Spectrum, SpectrumResult, TapInfo, TapStats, View

HISTOGRAM_BINS = 64
HISTOGRAM_VALUES = 1 << 20               # more are sampled: a histogram costs more than all other statistics together
MAX_GAIN_DB = 300                        # beyond, float32 has nothing to show


def picture(x: Tensor, view: View) -> np.ndarray:
    """x [C, H, W], any float type -> uint8 [H, W, 3], read-only.

    The signal y is what is shown of x, divided by its largest finite magnitude if `view.range` is symmetric, times
    10^(gain_db / 20). 'rgb' shows round(127.5 y + 127.5), clipped; 'channel' takes that byte as the index of a colour.
    What is not finite is magenta.
    """
    index = view.channels if view.mode == "rgb" else (view.channel,)
    y = x[[min(max(i, 0), len(x) - 1) for i in index]].float()
    has_bad = not all(math.isfinite(bound.item()) for bound in y.aminmax())
    if has_bad:
        bad = ~torch.isfinite(y).all(dim=0).cpu().numpy()
        y = y.nan_to_num(0, 0, 0)
    if view.range == "symmetric":
        y = y / (y.abs().max().item() or 1)
    if view.gain_db:
        y = y * 10 ** (min(max(view.gain_db, -MAX_GAIN_DB), MAX_GAIN_DB) / 20)
    shown = _bytes(y)
    pixels = shown.transpose(1, 2, 0).copy() if view.mode == "rgb" else colours(view.colormap)[shown[0]]
    if has_bad:
        pixels[bad] = BAD
    return read_only(pixels)


def _bytes(y: Tensor) -> np.ndarray:
    """-1..1 to 0..255, clipped: uint8."""
    return (y * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


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
    bad = level.isnan().cpu().numpy()
    pixels = colours(wanted.colormap)[_bytes(level.nan_to_num(0) / max(wanted.range_db, 1e-3))]
    pixels[bad] = BAD
    curves = (curve.cpu().numpy().astype(np.float32) for curve in measure.profiles(s, tap.rate))
    frequencies, radial, slice_0, slice_45 = map(read_only, curves)
    return SpectrumResult(
        picture=read_only(pixels), extent=(tap.rate, tap.rate), radial=radial, frequencies=frequencies,
        cutoff=tap.cutoff, stopband=tap.stopband, nyquist=tap.rate / 2, previous_nyquist=previous_nyquist,
        slice_0=slice_0, slice_45=slice_45)


def read_only(array: np.ndarray) -> np.ndarray:
    """Marks an array that goes across threads."""
    array.flags.writeable = False
    return array
