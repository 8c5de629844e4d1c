"""The frame spectrum and its profiles (inspection.md "Spectra"; after StyleGAN3 app. A).

Frequencies are in cycles per image. The pixel pitch is 1 / rate on both axes, so a signal with margins covers more than
one image and has bins less than one cycle apart: rate / width.
"""
from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

FLOOR = 1e-30                            # relative power that stands for none: -300 dB
CHUNK = 1 << 22                          # samples transformed at a time, to bound memory


def power(x: Tensor, beta: float = 8.0, between: Callable[[], None] = lambda: None) -> Tensor:
    """|FFT2|² of x [C, H, W], summed over channels: float64 [H, W], zero frequency at (H//2, W//2).

    Each channel loses its mean and is multiplied by the outer product of a Kaiser window (`beta`, not periodic).
    Sum over bins = H W sum(windowed²), Parseval. `between` is called between groups of channels and may raise.
    """
    if x.device.type == "mps":           # has no float64
        x = x.cpu()
    _, height, width = x.shape
    window = torch.outer(_kaiser(height, beta, x.device), _kaiser(width, beta, x.device))
    half = torch.zeros(height, width // 2 + 1, dtype=torch.float64, device=x.device)
    for part in x.split(max(1, CHUNK // (height * width))):
        between()
        part = part.to(torch.float64)
        part = (part - part.mean(dim=(1, 2), keepdim=True)) * window
        half += torch.fft.rfft2(part).abs().square().sum(dim=0)
    return torch.fft.fftshift(_whole(half, width))


def decibels(s: Tensor) -> Tensor:
    """10 log10(S / mean S) of a spectrum [H, W]; no power at all is -300 dB."""
    return _to_decibels(s, s.mean())


def profiles(s: Tensor, rate: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(frequencies, radial, slice_0, slice_45) of a centred spectrum S [H, W], float64 [F] each; levels as `decibels`.

    frequencies: 0, 1, .. up to Nyquist, rate / 2. radial: mean of S over the ring within 0.5 of each; slices: the same
    along the ray at 0° (horizontal) and at 45°.
    """
    mean = s.mean()
    rings = [radial(s, rate), ray(s, rate, 0), ray(s, rate, 45)]
    return torch.arange(len(rings[0]), dtype=torch.float64), *(_to_decibels(ring, mean) for ring in rings)


def radial(s: Tensor, rate: float) -> Tensor:
    """Mean of S [H, W] over the rings |f - k| <= 1/2, k = 0 .. Nyquist: [F]. A ring without a bin is NaN."""
    fy, fx = (_bins(size, rate, s.device) for size in s.shape)
    return _ring_means(torch.hypot(fy[:, None], fx[None, :]).flatten(), s.flatten(), rate)


def ray(s: Tensor, rate: float, degrees: float) -> Tensor:
    """Mean of S [H, W] over each ring's stretch of the ray at that angle, by nearest bins: [F]."""
    height, width = s.shape
    radius = torch.arange(0, rate / 2 + 0.5, rate / max(height, width) / 2, dtype=torch.float64, device=s.device)
    angle = math.radians(degrees)
    y = (radius * math.sin(angle) * height / rate).round().long() + height // 2
    x = (radius * math.cos(angle) * width / rate).round().long() + width // 2
    return _ring_means(radius, s[y % height, x % width], rate)     # a sampled signal's spectrum is periodic


def _ring_means(frequency: Tensor, values: Tensor, rate: float) -> Tensor:
    """Mean of `values` [K] by the whole number nearest to their `frequency` [K], for 0 .. rate / 2."""
    count = math.floor(rate / 2) + 1
    ring = (frequency + 0.5).floor().long()
    values, ring = values[ring < count], ring[ring < count]
    return torch.bincount(ring, values, minlength=count) / torch.bincount(ring, minlength=count)


def _kaiser(size: int, beta: float, device: torch.device) -> Tensor:
    return torch.kaiser_window(size, periodic=False, beta=beta, dtype=torch.float64, device=device)


def _bins(size: int, rate: float, device: torch.device) -> Tensor:
    """The centred bins' frequencies, [size]."""
    return (torch.arange(size, dtype=torch.float64, device=device) - size // 2) * (rate / size)


def _whole(half: Tensor, width: int) -> Tensor:
    """The full power spectrum of a real signal from rfft2's half: S(-f) = S(f)."""
    mirrored = half[:, 1:(width + 1) // 2].flip(0, 1).roll(1, dims=0)
    return torch.cat([half, mirrored], dim=1)


def _to_decibels(s: Tensor, mean: Tensor) -> Tensor:
    relative = s / mean if mean != 0 else torch.zeros_like(s)
    return 10 * relative.clamp(min=FLOOR).log10()
