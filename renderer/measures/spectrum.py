"""The frame spectrum, the average spectrum and their profiles (inspection.md "Spectra"; after StyleGAN3 app. A).

Frequencies are in cycles per image. The pixel pitch is 1 / rate on both axes, so a signal with margins covers more than
one image and has bins less than one cycle apart: rate / width.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

FLOOR = 1e-30                            # relative power that stands for none: -300 dB
CHUNK = 1 << 22                          # samples transformed at a time, to bound memory
BLOCK = 1 << 18                          # of a padded picture's: caches hold so many


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
        half += _squared(torch.fft.rfft2(part)).sum(dim=0)
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
    y, x, radius = _ray_bins((height, width), rate, degrees, s.device)
    y, x = (y + height // 2) % height, (x + width // 2) % width      # a sampled signal's spectrum is periodic
    return _ring_means(radius, s[y, x], rate)


class Sums(NamedTuple):
    """Over signals and their channels."""
    power: Tensor                        # |FFT wx|² [interp H, interp W // 2 + 1]
    cross: Tensor                        # Re(FFT wx conj FFT w), as large
    channels: int
    values: float
    squares: float


class Average:
    """The average power spectrum of signals [C, H, W] of one size and rate, over their channels too, in float64.

    Each is whitened, windowed, and zero-padded to `interp` times its size before |FFT2|². The window has unit power,
    sum w² = 1: of white noise with the standard deviation that is whitened by, S = 1 at every frequency.
    The mean m to whiten by need not be known while signals are added:
    |FFT w(x - m)|² = |FFT wx|² - 2m Re(FFT wx conj FFT w) + m² |FFT w|².
    """

    def __init__(self, size: tuple[int, int], rate: float, beta: float = 8.0, interp: int = 4,
                 device: torch.device | str = "cpu"):
        self.size, self.rate, self.interp = size, rate, interp
        self._device = torch.device("cpu" if torch.device(device).type == "mps" else device)     # has no float64
        self._padded = height, width = size[0] * interp, size[1] * interp
        windows = (_kaiser(n, beta, self._device) for n in size)
        wy, wx = (window / window.norm() for window in windows)
        self._window = torch.outer(wy, wx)
        self._responses = torch.fft.fft(wy, height), torch.fft.rfft(wx, width)
        self._rings: tuple[Tensor, Tensor] | None = None
        nothing = torch.zeros(height, width // 2 + 1, dtype=torch.float64, device=self._device)
        self._sums = Sums(nothing, nothing, 0, 0.0, 0.0)

    def of(self, x: Tensor, between: Callable[[], None] = lambda: None) -> Sums:
        """What `add` takes of a signal [C, H, W]. `between` is called now and then and may raise."""
        x = x.to(self._device).to(torch.float64)
        power, cross = torch.zeros_like(self._sums.power), torch.zeros_like(self._sums.cross)
        (fy, fx), step = self._responses, max(1, BLOCK // self._padded[0])
        for channel in x:
            rows = torch.fft.rfft(channel * self._window, self._padded[1], dim=1)    # rows of zeros need none
            for first in range(0, len(fx), step):
                between()
                part = slice(first, first + step)
                transformed = torch.fft.fft(rows[:, part], len(fy), dim=0)
                power[:, part] += _squared(transformed)
                cross[:, part] += (transformed * torch.outer(fy, fx[part]).conj()).real
        return Sums(power, cross, len(x), x.sum().item(), x.square().sum().item())

    def add(self, sums: Sums) -> None:
        self._sums = Sums(*(a + b for a, b in zip(self._sums, sums)))

    @property
    def sums(self) -> Sums:
        """Everything added so far, as `add` takes it."""
        return self._sums

    @property
    def channels(self) -> int:
        """How many were added, of all signals."""
        return self._sums.channels

    @property
    def mean(self) -> float:
        """Of all values added."""
        return self._sums.values / (self._sums.channels * math.prod(self.size))

    @property
    def std(self) -> float:
        squares = self._sums.squares / (self._sums.channels * math.prod(self.size))
        return math.sqrt(max(squares - self.mean ** 2, 0))

    def half(self, mean: float, std: float) -> Tensor:
        """S whitened by (x - mean) / std: [interp H, interp W // 2 + 1], zero frequency first, fx >= 0."""
        power, cross, channels, *_ = self._sums
        total = power - 2 * mean * cross + channels * mean ** 2 * torch.outer(*map(_squared, self._responses))
        return total.clamp_(min=0) / (channels * (std or 1) ** 2)

    def profiles(self, half: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(radial, slice_0, slice_45) of what `half` gives, [F] at 0, 1, .. Nyquist, as `profiles` of a whole one."""
        if self._rings is None:
            self._rings = self._half_rings()
        ring, counts = self._rings
        doubled = half.clone()
        doubled[:, 1:(self._padded[1] + 1) // 2] *= 2            # S(-f) = S(f) stands for both
        means = torch.bincount(ring.flatten(), doubled.flatten(), minlength=len(counts) + 1)[:-1] / counts
        return means, *(self._ray(half, degrees) for degrees in (0, 45))

    def centred(self, half: Tensor, step: int = 1) -> Tensor:
        """Every `step`-th bin, a divisor of `interp`, of the whole S: [interp H / step, interp W / step], centred."""
        return torch.fft.fftshift(_whole(half[::step, ::step], self._padded[1] // step))

    def _half_rings(self) -> tuple[Tensor, Tensor]:
        """The ring of each bin, one past the last where it lies in none, and how many bins of the whole S each has."""
        count = math.floor(self.rate / 2) + 1
        fy = torch.fft.fftfreq(self._padded[0], 1 / self.rate, dtype=torch.float64, device=self._device)
        fx = torch.fft.rfftfreq(self._padded[1], 1 / self.rate, dtype=torch.float64, device=self._device)
        ring = (torch.hypot(fy[:, None], fx) + 0.5).floor_().clamp_(max=count).int()
        once = torch.ones_like(fx)
        once[1:(self._padded[1] + 1) // 2] = 2
        counts = torch.bincount(ring.flatten(), once.expand(ring.shape).flatten(), minlength=count + 1)
        return ring, counts[:count]

    def _ray(self, half: Tensor, degrees: float) -> Tensor:
        y, x, radius = _ray_bins(self._padded, self.rate, degrees, half.device)
        y, x = y % self._padded[0], x % self._padded[1]
        mirrored = x > self._padded[1] // 2                      # past Nyquist, where S(f) = S(-f) is held
        y, x = torch.where(mirrored, -y % self._padded[0], y), torch.where(mirrored, self._padded[1] - x, x)
        return _ring_means(radius, half[y, x], self.rate)


def _ray_bins(size: tuple[int, int], rate: float, degrees: float, device: torch.device,
              ) -> tuple[Tensor, Tensor, Tensor]:
    """(row, column, frequency) of the nearest bins along a ray, [K]; zero frequency is at row and column 0.

    Four points to a bin, none of them half way between two, where rounding would favour even ones.
    """
    height, width = size
    step = rate / max(height, width) / 4
    radius = torch.arange(step / 2, rate / 2 + 0.5, step, dtype=torch.float64, device=device)
    angle = math.radians(degrees)
    y = (radius * math.sin(angle) * height / rate).round().long()
    x = (radius * math.cos(angle) * width / rate).round().long()
    return y, x, radius


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


def _squared(x: Tensor) -> Tensor:
    """|x|² of complex x."""
    return x.real.square() + x.imag.square()


def _whole(half: Tensor, width: int) -> Tensor:
    """The full power spectrum of a real signal from rfft2's half: S(-f) = S(f)."""
    mirrored = half[:, 1:(width + 1) // 2].flip(0, 1).roll(1, dims=0)
    return torch.cat([half, mirrored], dim=1)


def _to_decibels(s: Tensor, mean: Tensor) -> Tensor:
    relative = s / mean if mean != 0 else torch.zeros_like(s)
    return 10 * relative.clamp(min=FLOOR).log10()
