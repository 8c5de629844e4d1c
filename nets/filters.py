"""Low-pass filter design for StyleGAN3: Kaiser-windowed sinc and its radially symmetric form (sec. 3.1, app. C)."""
from __future__ import annotations

import math

import torch
from torch import Tensor


def lowpass(numtaps: int, cutoff: float, width: float, fs: float, radial: bool = False) -> Tensor | None:
    """A low-pass filter of unit gain at zero frequency (ops.md "Filter design").

    `cutoff`, `width` (of the whole transition band) and the sampling rate `fs` share one unit, cycles per image here.
    Returns float32 [numtaps], to be applied along x and y, or [numtaps, numtaps] if `radial`; None for a single tap,
    the identity. Raises ValueError if the cutoff of more taps is not between 0 and fs / 2.
    """
    if numtaps == 1:
        return None
    if not 0 < cutoff < fs / 2:
        raise ValueError(f"cutoff {cutoff} is not between 0 and half the sampling rate {fs}")
    window = torch.kaiser_window(numtaps, periodic=False, beta=_kaiser_beta(kaiser_attenuation(numtaps, width, fs)),
                                 dtype=torch.float64)
    x = (torch.arange(numtaps, dtype=torch.float64) - (numtaps - 1) / 2) / fs
    if radial:
        taps = _jinc(torch.hypot(x[:, None], x), cutoff) * torch.outer(window, window)
    else:
        taps = torch.sinc(2 * cutoff * x) * window
    return (taps / taps.sum()).float()


def kaiser_attenuation(numtaps: int, width: float, fs: float) -> float:
    """What the stop band of a design with these arguments of `lowpass` is expected to lose, in dB (Kaiser 1974)."""
    return 2.285 * (numtaps - 1) * math.pi * width / (fs / 2) + 7.95


def _kaiser_beta(attenuation_db: float) -> float:
    """Shape of the Kaiser window for a stop band so far down (Kaiser 1974)."""
    if attenuation_db > 50:
        return 0.1102 * (attenuation_db - 8.7)
    if attenuation_db > 21:
        return 0.5842 * (attenuation_db - 21) ** 0.4 + 0.07886 * (attenuation_db - 21)
    return 0.0


def _jinc(r: Tensor, cutoff: float) -> Tensor:
    """J1(2 pi f_c r) / (pi r), whose 2-D spectrum is the disc of radius f_c, up to scale; at r = 0 its limit f_c."""
    at_centre = torch.full_like(r, cutoff)
    return torch.where(r == 0, at_centre, torch.special.bessel_j1(2 * math.pi * cutoff * r) / (math.pi * r))
