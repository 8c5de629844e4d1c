"""From a tap to what is seen of it: picture, statistics, spectrum."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from renderer.colormaps import BAD, colorize
from renderer.measures import spectrum as measure
from renderer.types import Spectrum, SpectrumResult, TapInfo, TapStats, View

HISTOGRAM_BINS = 64


def picture(x: Tensor, view: View) -> np.ndarray:
    """x [C, H, W], any float type -> uint8 [H, W, 3], read-only.

    The signal, divided by its largest finite magnitude if `view.normalize`, times 10^(gain_db / 20), is shown over
    -1..1: 'rgb' as round(127.5 x + 127.5) clipped, 'channel' through the colormap. What is not finite is magenta.
    """
    index = view.channels if view.mode == "rgb" else (view.channel,)
    index = [min(max(i, 0), len(x) - 1) for i in index]
    y = x[index].float().cpu().numpy()
    bad = ~np.isfinite(y).all(axis=0)
    y = np.where(np.isfinite(y), y, np.float32(0))
    if view.normalize:
        y = y / (np.abs(y).max() or np.float32(1))
    with np.errstate(over="ignore"):     # what overflows is clipped
        y = y * np.float32(10 ** (min(max(view.gain_db, -300), 300) / 20))
        pixels = _rgb(y) if view.mode == "rgb" else colorize((y[0] + 1) / 2, view.colormap)
    pixels[bad] = BAD
    return read_only(pixels)


def _rgb(y: np.ndarray) -> np.ndarray:
    pixels = np.clip(np.rint(y * np.float32(127.5) + np.float32(127.5)), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0))


def stats(x: Tensor, name: str, clamp: float | None) -> TapStats:
    """Of x [C, H, W], the finite part of it; `clamp`: the magnitude the layer clamps this signal to."""
    finite = torch.isfinite(x)
    values = x[finite].float()
    total = max(x.numel(), 1)
    clamped = None if clamp is None else int((x.abs() >= torch.tensor(clamp, dtype=x.dtype)).sum()) / total
    if not len(values):
        values = torch.full([1], torch.nan)
    lowest, highest = values.min(), values.max()
    return TapStats(
        name=name, shape=tuple(x.shape), dtype=str(x.dtype).removeprefix("torch."),
        mean=values.mean().item(), std=values.std(correction=0).item(),
        absmax=max(-lowest.item(), highest.item()), minimum=lowest.item(), maximum=highest.item(),
        nonfinite=1 - int(finite.sum()) / total, clamped=clamped, histogram=_histogram(values))


def _histogram(values: Tensor) -> tuple[int, ...]:
    """Counts in HISTOGRAM_BINS equal bins from minimum to maximum; parts, as histc counts in float32."""
    low, high = values.min().item(), values.max().item()
    if not low <= high:                  # nothing finite
        return (0,) * HISTOGRAM_BINS
    parts = [torch.histc(part, HISTOGRAM_BINS, low, high) for part in values.split(1 << 24)]
    return tuple(int(sum(counts)) for counts in zip(*(part.tolist() for part in parts)))


def spectrum(s: Tensor, wanted: Spectrum, tap: TapInfo, previous_nyquist: float | None) -> SpectrumResult:
    """The picture and curves of a centred power spectrum S [H, W]; ±range_db spans the colormap."""
    level = measure.decibels(s).cpu().numpy()
    frequencies, *curves = (curve.cpu().numpy().astype(np.float32) for curve in measure.profiles(s, tap.rate))
    radial, slice_0, slice_45 = map(read_only, curves)
    return SpectrumResult(
        picture=read_only(colorize(level / (2 * max(wanted.range_db, 1e-3)) + 0.5, wanted.colormap)),
        extent=(tap.rate, tap.rate), radial=radial, frequencies=read_only(frequencies),
        cutoff=tap.cutoff, stopband=tap.stopband, nyquist=tap.rate / 2, previous_nyquist=previous_nyquist,
        slice_0=slice_0, slice_45=slice_45)


def read_only(array: np.ndarray) -> np.ndarray:
    """Marks an array that goes across threads."""
    array.flags.writeable = False
    return array
