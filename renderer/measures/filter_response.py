"""Frequency response of FIR low-pass filters: gain along a direction and over the plane, cutoff, attenuation.

Taps are [n], for a filter that is applied along x and along y, or [n, n]. Frequencies share a unit with `rate`, the
sampling rate; here cycles per image.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor

FFT_SIZE = {1: 1 << 14, 2: 1 << 9}       # points on which extremes are looked for, by the taps' dimensions


def decibels(gain: Tensor) -> Tensor:
    """20 log10 of amplitudes; no less than -300 dB."""
    return 20 * gain.clamp(min=1e-15).log10()


def gain_along(taps: Tensor, rate: float, frequencies: Tensor, degrees: float = 0.0) -> Tensor:
    """|H| at frequencies [F] in that direction from the horizontal axis: float64 [F]."""
    angle = math.radians(degrees)
    return _plane(taps, rate, frequencies * math.sin(angle), frequencies * math.cos(angle))


def gain_over_plane(taps: Tensor, rate: float, frequencies: Tensor) -> Tensor:
    """|H| at all pairs (f_y, f_x) of frequencies [F]: float64 [F, F]."""
    return _plane(taps, rate, frequencies[:, None], frequencies[None, :])


def half_gain_frequency(taps: Tensor, rate: float) -> float:
    """Where |H| along x first falls to half, -6 dB, the cutoff of a windowed sinc; NaN if it doesn't."""
    frequencies = torch.linspace(0, rate / 2, FFT_SIZE[1], dtype=torch.float64)
    gain = gain_along(taps, rate, frequencies)
    below = (gain <= 0.5).nonzero()
    if not len(below) or below[0] == 0:
        return math.nan
    i = below[0].item()
    part = (gain[i - 1] - 0.5) / (gain[i - 1] - gain[i])
    return (frequencies[i - 1] + part * (frequencies[i] - frequencies[i - 1])).item()


def attenuation(taps: Tensor, rate: float, start: float) -> float:
    """How far, in dB, the largest |H| beyond `start` lies below 1; NaN if that is no frequency there is.

    Beyond: along an axis for separable taps, where theirs is largest; outside the circle of radius `start` for [n, n].
    """
    size = FFT_SIZE[taps.ndim]
    axis = torch.fft.fftfreq(size, dtype=torch.float64) * rate
    radius = axis.abs() if taps.ndim == 1 else torch.hypot(axis[:, None], axis)
    gain = torch.fft.fftn(taps.double().cpu(), s=[size] * taps.ndim).abs()
    beyond = gain[radius >= start]
    return -decibels(beyond.max()).item() if len(beyond) else math.nan


def _plane(taps: Tensor, rate: float, fy: Tensor, fx: Tensor) -> Tensor:
    """|H(fy, fx)|, the two broadcast against each other."""
    taps = taps.double().cpu()
    waves = [torch.exp(-2j * math.pi / rate * f.double()[..., None] * torch.arange(len(taps))) for f in (fy, fx)]
    if taps.ndim == 1:
        along_y, along_x = (wave @ taps.to(wave.dtype) for wave in waves)
        return (along_y * along_x).abs()
    return ((waves[0] @ taps.to(waves[0].dtype)) * waves[1]).sum(-1).abs()
