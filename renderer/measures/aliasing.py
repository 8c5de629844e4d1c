"""The aliasing budget: energy that a layer leaves, or brings in, beyond the band its signal should keep to.

StyleGAN3 sec. 2 and 3: what lies beyond a layer's stopband f_t folds back as an alias sooner or later. StyleGAN2's
upsampling lets mirror images of the spectrum through above the old Nyquist frequency.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor


def beyond(s: Tensor, rate: float, limit: float, is_radial: bool = False) -> float:
    """The sum of a centred power spectrum S [H, W] over the bins beyond `limit`, in cycles per image.

    A band is what the filter that makes it passes: |fx| and |fy| up to the limit, of a radial filter |f|. All of S
    comes to `s.sum()`. A bin on the limit is within it.
    """
    fy, fx = (((torch.arange(n, dtype=torch.float64, device=s.device) - n // 2) * (rate / n)).abs() for n in s.shape)
    distance = torch.hypot(fy[:, None], fx) if is_radial else torch.maximum(fy[:, None], fx)
    return s[distance > limit * (1 + 1e-9)].sum().item()


def brought_in(s: Tensor, f: Tensor | None, up: int = 2) -> tuple[float, float]:
    """(energy above the old Nyquist frequency, all energy) of a signal once it is enlarged by `up` through `f`.

    `s`: the centred power spectrum [H, W] of the signal before it. Inserted zeros repeat its spectrum with the old
    sampling rate, and the filter, [taps] (separable), [fh, fw] or None (identity), multiplies it by |F|²: exact for a
    periodic signal, or one that a window ends. Up to a factor common to both.
    """
    height, width = s.shape
    f = torch.ones(1, dtype=torch.float64) if f is None else f
    f = (torch.outer(f, f) if f.ndim == 1 else f).to(s)
    gain = _transform(height * up, f.shape[0], s) @ f.to(torch.complex128) @ _transform(width * up, f.shape[1], s).T
    enlarged = torch.fft.fftshift(torch.fft.ifftshift(s).repeat(up, up) * gain.abs().square())
    return beyond(enlarged, float(up), 0.5), enlarged.sum().item()       # in units of the old sampling rate


def window_reach(rate: float, width: int, beta: float) -> float:
    """How far a Kaiser window smears a frequency: half its main lobe, to the first zero, in cycles per image.

    Kaiser and Schafer, "On the use of the I0-sinh window for spectrum analysis", 1980.
    """
    return rate / width * math.sqrt(1 + (beta / math.pi) ** 2)


def _transform(bins: int, taps: int, like: Tensor) -> Tensor:
    """The discrete-time Fourier transform at `bins` frequencies from 0 on: complex128 [bins, taps]."""
    turns = torch.outer(torch.arange(bins, dtype=torch.float64), torch.arange(taps, dtype=torch.float64)) / bins
    return torch.exp(-2j * math.pi * turns).to(like.device)
