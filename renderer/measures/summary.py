"""A tap at a glance: a small picture, an estimate of its radial spectrum and a few numbers, in few passes over it.

The spectrum summed over channels would take an FFT of each. Instead the channels are added up with random signs: over
s in {-1, 1}^C the mean of |FFT2(sum_c s_c x_c)|² is sum_c |FFT2(x_c)|², as E[s_c s_d] = 0 for c != d. So the mean of a
few such FFTs estimates it without bias. Removing the mean and windowing are linear: they may come after the sum.
"""
from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from renderer.colormaps import BAD, colours
from renderer.measures.spectrum import FLOOR
from renderer.types import TapInfo, TapSummary

SIDE = 64                                # pixels: largest width or height of a picture
BETA = 8.0                               # of the Kaiser window, as in spectrum.power
SEED = 0                                 # of the signs: always the same ones, so that the curve does not flicker
MAX_SIGNS = 4
MEDIAN_PIXELS = 1 << 14                  # more are sampled
SAFE = 1e-30, 1e30                       # energies that float32 squares and sums keep well clear of its limits


def summary(x: Tensor, tap: TapInfo, clamp: float | None = None) -> TapSummary:
    """Of x [C, H, W], any float type; `clamp`: the magnitude the layer clamps this signal to.

    The picture is RGB for one or three channels and for 'image' (signed; 'image' as it is, others divided by their
    largest magnitude), a grid of the channels' magnitudes for signals of one pixel, else the RMS over channels from 0
    to its maximum in viridis. Larger ones are averaged, smaller ones have their pixels repeated. What is not finite is
    magenta, and is left out of `peak`.
    """
    given, x = x, x.float()
    energy, bad, scale, nonfinite = energy_of(x), None, 1.0, 0.0
    top = energy.amax().item()
    if not SAFE[0] < top < SAFE[1]:
        x, bad, scale, nonfinite = _tamed(x)
        energy = energy_of(x)
    frequencies, radial = _nothing(x) if x[0].numel() == 1 else curve(x, tap.rate, _signs(x))
    picture = _picture(x * scale if tap.name == "image" and scale != 1 else x, energy, tap.name)
    fetched = torch.cat([torch.stack([energy.mean(), _peak(energy)]), radial, picture.flatten()]).cpu().numpy()
    radial = fetched[2:2 + len(radial)]
    return TapSummary(
        name=tap.name, picture=_read_only(_coloured(fetched[2 + len(radial):].reshape(picture.shape), bad)),
        frequencies=frequencies, radial=_read_only(np.full_like(radial, np.nan) if nonfinite else radial.copy()),
        rms=math.nan if nonfinite else scale * math.sqrt(float(fetched[0]) / len(x)), peak=float(fetched[1]),
        nonfinite=nonfinite, clamped=None if clamp is None else _share_clamped(given, clamp, top))


def energy_of(x: Tensor) -> Tensor:
    """Sum over channels of the squares of x [C, H, W]: [H, W]. Each way is one pass over memory where it is taken."""
    if not x.is_contiguous():            # channels last
        return torch.linalg.vector_norm(columns(x), dim=0).square().unflatten(0, x.shape[1:])
    if x.device.type != "cpu" or x[0].numel() <= 4096:
        return x.square().sum(dim=0)
    energy = torch.zeros_like(x[0])
    for channel in x:                    # the sum stays in the processor's cache
        energy.addcmul_(channel, channel)
    return energy


def columns(x: Tensor) -> Tensor:
    """x as [C, H W], without a copy where channels come last in memory, too."""
    last = x.permute(1, 2, 0)
    return last.flatten(0, 1).T if last.is_contiguous() else x.flatten(1)


def _tamed(x: Tensor) -> tuple[Tensor, Tensor | None, float, float]:
    """x [C, H, W] with 0 for what is not finite, at most 1; where that is [H, W]; what it was divided by; the share."""
    finite = x.isfinite()
    nonfinite = 1 - finite.sum().item() / x.numel()
    x = x.nan_to_num(0, 0, 0) if nonfinite else x
    scale = x.abs().amax().item() or 1.0
    return x / scale, ~finite.all(dim=0) if nonfinite else None, scale, nonfinite


def _peak(energy: Tensor) -> Tensor:
    """Largest over median energy of a pixel (inspection.md "Droplets"), 1 where there is none at all."""
    energy = energy.flatten()
    median = energy[::math.ceil(len(energy) / MEDIAN_PIXELS) | 1].median()      # odd: not always the same columns
    return torch.where(energy.amax() > 0, energy.amax() / median, 1.0)


def _share_clamped(x: Tensor, clamp: float, top: float) -> float:
    """The share of x at or beyond ±clamp, in x's own precision; `top`, a pixel's largest energy, may rule it out."""
    if math.sqrt(top) < 0.99 * clamp:
        return 0.0
    return (x.abs() >= torch.tensor(clamp, dtype=x.dtype)).sum().item() / x.numel()


# -- picture ----------------------------------------------------------------------------------------------------------

def _picture(x: Tensor, energy: Tensor, name: str) -> Tensor:
    """What becomes colours: [3, h, w] from -1 to 1, or [1, h, w] from 0 to 1."""
    if x[0].numel() == 1:
        columns = math.ceil(math.sqrt(len(x)))
        shown = F.pad(x.flatten().abs(), (0, -len(x) % columns)).reshape(1, -1, columns)
    elif len(x) in (1, 3) or name == "image":
        shown = _small(x[:3]) if len(x) > 2 else _small(x[:1]).expand(3, -1, -1)
        low, high = x.aminmax()
        return shown if name == "image" else shown / _positive(torch.maximum(-low, high))
    else:
        shown = _small(energy[None]).sqrt()
    return shown / _positive(shown.amax())


def _positive(x: Tensor) -> Tensor:
    return x.clamp(min=torch.finfo(x.dtype).tiny)


def _small(x: Tensor) -> Tensor:
    """Area averages of x [C, H, W], its larger side drawn in to SIDE."""
    height, width = x.shape[1:]
    factor = max(1.0, max(height, width) / SIDE)
    size = max(1, round(height / factor)), max(1, round(width / factor))
    return x if size == (height, width) else F.adaptive_avg_pool2d(x[None], size)[0]


def _coloured(shown: np.ndarray, bad: Tensor | None) -> np.ndarray:
    """`_picture`'s values as uint8 [h, w, 3]; `bad` [H, W]: what was not finite."""
    if len(shown) == 3:
        pixels = np.rint(np.clip(shown * 127.5 + 127.5, 0, 255)).astype(np.uint8).transpose(1, 2, 0).copy()
    else:
        pixels = colours("viridis")[np.rint(np.clip(shown[0] * 255, 0, 255)).astype(np.uint8)]
    if bad is not None:
        share = _small(bad[None].float())[0].cpu().numpy()
        pixels[share > 0 if share.shape == pixels.shape[:2] else ...] = BAD
    factor = max(SIDE // max(pixels.shape[:2]), 1)
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


# -- spectrum ---------------------------------------------------------------------------------------------------------

def curve(x: Tensor, rate: float, signs: Tensor) -> tuple[np.ndarray, Tensor]:
    """(frequencies, levels in dB), float32 [F], as spectrum.profiles' radial, of x float32 [C, H, W].

    Estimated from one FFT for each row of `signs` [K, C], +-1; exact if they are the identity. No power is -300 dB.
    """
    size = x.shape[1:]
    sums = (signs @ columns(x)).unflatten(1, size)                             # [K, H, W]
    rounding = 16 * torch.finfo(x.dtype).eps * torch.linalg.vector_norm(sums)
    windowed = sums.sub_(sums.mean(dim=(1, 2), keepdim=True)).mul_(_window(*size, x.device))
    squares = torch.view_as_real(torch.fft.rfft2(windowed)).square_()           # [K, H, W // 2 + 1, 2]
    index, counts = _rings(*size, rate, x.device)
    power = _once_and_twice(sum(torch.bincount(index, part.flatten(), 2 * len(counts)) for part in squares))
    mean = power.sum() / (size[0] * size[1])
    relative = power / torch.where(mean > rounding.square(), mean, torch.inf)   # Parseval: mean = sum of windowed²
    levels = 10 * (relative / counts)[:-1].clamp(min=FLOOR).log10()
    return _frequencies(len(levels)), levels


def _signs(x: Tensor) -> Tensor:
    """[K, C]: fewer for larger maps, whose rings have more bins to average over. The identity for very few channels."""
    pixels = x[0].numel()
    count = MAX_SIGNS if pixels <= 1 << 12 else 2 if pixels <= 1 << 14 else 1
    return _all_signs(len(x), x.device)[:count] if len(x) > count else torch.eye(len(x), device=x.device)


@lru_cache(32)
def _all_signs(channels: int, device: torch.device) -> Tensor:
    drawn = torch.randint(0, 2, (MAX_SIGNS, channels), generator=torch.Generator().manual_seed(SEED))
    return (2.0 * drawn - 1).to(device)


@lru_cache(16)
def _window(height: int, width: int, device: torch.device) -> Tensor:
    rows, columns = (torch.kaiser_window(size, periodic=False, beta=BETA) for size in (height, width))
    return torch.outer(rows, columns).to(device)


@lru_cache(16)
def _rings(height: int, width: int, rate: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """For real and imaginary parts of rfft2's bins: the index of each one's ring, [H (W // 2 + 1) 2]; and how many bins
    of the whole spectrum each ring has, [F + 1], where the last is all beyond Nyquist.

    Columns that stand for two in the whole spectrum are indexed apart, F + 1 further.
    """
    fy = torch.fft.fftfreq(height, dtype=torch.float64) * rate
    fx = torch.fft.rfftfreq(width, dtype=torch.float64) * rate
    count = math.floor(rate / 2) + 2
    ring = (torch.hypot(fy[:, None], fx[None, :]) + 0.5).floor().clamp(max=count - 1).int()
    ring[:, 1:(width + 1) // 2] += count
    ring = ring.flatten().to(device)
    return ring.repeat_interleave(2), _once_and_twice(torch.bincount(ring, minlength=2 * count))


def _once_and_twice(bins: Tensor) -> Tensor:
    once, twice = bins.chunk(2)
    return once + 2 * twice


@lru_cache(64)
def _frequencies(count: int) -> np.ndarray:
    return _read_only(np.arange(count, dtype=np.float32))


def _nothing(x: Tensor) -> tuple[np.ndarray, Tensor]:
    return _frequencies(0), x.new_empty(0)


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
