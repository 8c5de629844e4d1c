"""Equivariance: does the picture follow its input's transform? The operators of StyleGAN3 app. E, and layers' shifts.

A transform is a 3x3 matrix on (x, y) in image units: x to the right, y down, the image spanning -0.5 .. 0.5. Written
into StyleGAN3's input is its inverse.
"""
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import stdtrit
from torch import Tensor
from torch.nn import functional as F

from cuda_ops.upfirdn2d import filter2d, upsample2d

PEAK_DB = 20 * math.log10(2)             # of pictures from -1 to 1
LANCZOS = 3                              # half width of the interpolation kernel, in samples (app. E.2)
EXTENT = 6                               # half width of the oriented filter, in samples (app. E.3)
WRAP = 64                                # half width of the period on which it is convolved, in samples
DECIBELS = 10 / math.log(10)             # d(10 log10 r) = DECIBELS dr / r
FLOOR = 1e-30                            # relative error that stands for none: 300 dB
CHUNK = 1 << 22                          # samples transformed at a time, to bound memory
KERNEL = 10                              # half width of the kernel that moves layers, in samples: StyleGAN3's margin
BETA = 8.0                               # of its Kaiser window: better than 75 dB up to 70 % of Nyquist
FINE = 4                                 # samples that a rotation is interpolated among, for each one of the picture


def translation(tx: float, ty: float) -> Tensor:
    """The picture moves right by tx and down by ty, in shares of its width and height: float64 [3, 3]."""
    return torch.tensor([[1, 0, tx], [0, 1, ty], [0, 0, 1]], dtype=torch.float64)


def rotation(angle: float) -> Tensor:
    """The picture turns about its centre by `angle` in radians, counter-clockwise on the screen: float64 [3, 3]."""
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, s, 0], [-s, c, 0], [0, 0, 1]], dtype=torch.float64)


class Level(NamedTuple):
    """How well signals agree, in dB, with the 95 % confidence interval; NaN where a single sample gives none."""
    db: np.ndarray                       # float64 [...]
    low: np.ndarray
    high: np.ndarray


def level(samples: np.ndarray, peak_db: float = 0.0) -> Level:
    """peak_db - 10 log10(r), r = sum of errors / sum of weights, of samples [n, ..., 2]: each one's (error, weight).

    The interval is Student's about the ratio of means, whose variance is that of error - r weight, carried to dB by
    its derivative (W. Cochran, Sampling Techniques, 1977, ch. 6).
    """
    errors, weights, count = samples[..., 0], samples[..., 1], len(samples)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.maximum(errors.sum(axis=0) / weights.sum(axis=0), FLOOR)
        variance = np.square(errors - ratio * weights).sum(axis=0) / (count - 1) / count
        half = DECIBELS * stdtrit(count - 1, 0.975) * np.sqrt(variance) / weights.mean(axis=0) / ratio
    db = peak_db - 10 * np.log10(ratio)
    return Level(db, db - half, db + half)


def masked_error(a: Tensor, b: Tensor, mask: Tensor) -> tuple[float, float]:
    """(sum of squared differences where `mask` is 1, how many values that are) of a, b [N, C, H, W] and mask
    [1, 1, H, W]: with PEAK_DB, what EQ is the `level` of (app. E.1)."""
    error = ((a - b).square() * mask).sum(dim=3).cpu().double().sum().item()
    return error, mask.sum().item() * a.shape[0] * a.shape[1]


# -- translation ------------------------------------------------------------------------------------------------------

def move_whole(x: Tensor, tx: float, ty: float) -> tuple[Tensor, Tensor]:
    """x [N, C, H, W] moved by (tx, ty) of its size, rounded to whole pixels, and the mask [1, 1, H, W] of what is
    known (EQ-T, app. E.2)."""
    height, width = x.shape[2:]
    columns, rows = round(tx * width), round(ty * height)
    mask = torch.outer(_known(height, rows, rows, x), _known(width, columns, columns, x))
    return _moved(_moved(x, columns, 3), rows, 2), mask[None, None]


def move(x: Tensor, tx: float, ty: float) -> tuple[Tensor, Tensor]:
    """x [N, C, H, W] moved by (tx, ty) of its size, between pixels too by a Lanczos kernel of six taps, and the mask
    [1, 1, H, W] of what is known (EQ-T frac, app. E.2)."""
    masks = []
    for dim, t in ((2, ty), (3, tx)):
        size = x.shape[dim]
        whole = math.floor(t * size)
        x = sum(tap * _moved(x, whole + k, dim)
                for k, tap in zip(range(1 - LANCZOS, LANCZOS + 1), _lanczos(t * size - whole)))
        masks.append(_known(size, whole + LANCZOS, whole + 1 - LANCZOS, x))
    return x, torch.outer(*masks)[None, None]


def _lanczos(fraction: float) -> list[float]:
    """Taps k = -2 .. 3 of the kernel at k - fraction, of sum 1."""
    at = torch.arange(1 - LANCZOS, LANCZOS + 1, dtype=torch.float64) - fraction
    taps = at.sinc() * (at / LANCZOS).sinc()
    return (taps / taps.sum()).tolist()


def _moved(x: Tensor, steps: int, dim: int) -> Tensor:
    """x moved by whole steps along a dimension, zeros following."""
    size = x.shape[dim]
    if abs(steps) >= size:
        return torch.zeros_like(x)
    kept = x.narrow(dim, max(-steps, 0), size - abs(steps))
    return F.pad(kept, [0, 0] * (x.ndim - 1 - dim) + [max(steps, 0), max(-steps, 0)])


def _known(size: int, first: int, last: int, like: Tensor) -> Tensor:
    """[size]: 1 from max(first, 0) to size + min(last, 0), else 0."""
    index = torch.arange(size, device=like.device)
    return ((index >= max(first, 0)) & (index < size + min(last, 0))).to(like.dtype)


# -- rotation ---------------------------------------------------------------------------------------------------------

def transformed(x: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """x [N, C, H, W] as `matrix` [3, 3], a rotation and a translation, moves it, and the mask [1, 1, H, W] of what is
    known (EQ-R's reference, app. E.3): through FINE times as many samples, limited to what both grids can hold."""
    height, width = x.shape[2:]
    f = oriented_filter(matrix, FINE).to(x.device, torch.float32)
    p = f.shape[0] // 2
    fine = upsample2d(x, f, FINE, padding=p)
    theta = torch.linalg.inv(matrix.double())[:2].clone()
    theta[:, 2] = 2 * theta[:, 2] + torch.tensor([1 / (FINE * width), 1 / (FINE * height)], dtype=torch.float64)
    theta[0] *= width / (width + 2 * p / FINE)
    theta[1] *= height / (height + 2 * p / FINE)
    grid = F.affine_grid(theta[None].to(x), [1, 1, height, width], align_corners=False)
    border = 2 * p + 1
    mask = F.pad(torch.ones_like(fine[:1, :1, border:-border, border:-border]), [border] * 4)
    z = F.grid_sample(fine, grid.expand(len(x), -1, -1, -1), "bilinear", "zeros", align_corners=False)
    return z, F.grid_sample(mask, grid, "nearest", "zeros", align_corners=False)


def limited(x: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """x [N, C, H, W] without the frequencies that turning a picture by `matrix` costs, and the mask [1, 1, H, W] of
    what is known (app. E.3): what the network made of a turned input is compared like this."""
    f = oriented_filter(torch.linalg.inv(matrix.double()), 1).to(x.device, torch.float32)
    p = f.shape[0] // 2
    mask = F.pad(torch.ones_like(x[:1, :1, p:-p, p:-p]), [p] * 4)
    return filter2d(x, f), mask


def oriented_filter(matrix: Tensor, up: int) -> Tensor:
    """The low-pass filter that holds a picture to the grid it comes from and the one that `matrix` [3, 3] turns it to,
    at `up` times the sampling rate (app. E.3): float64 [12 up - 1, 12 up - 1]."""
    period = 2 * WRAP * up - 1
    axis = (torch.arange(period, dtype=torch.float64) + 1) / up - WRAP
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    m = matrix.double()
    x2, y2 = m[0, 0] * x + m[0, 1] * y, m[1, 0] * x + m[1, 1] * y
    f = _circular(x.sinc() * y.sinc(), x2.sinc() * y2.sinc())
    f = f * _circular(_window(x) * _window(y), _window(x2) * _window(y2))
    middle = period // 2
    f = f[middle - EXTENT * up + 1:, middle - EXTENT * up + 1:][:2 * EXTENT * up - 1, :2 * EXTENT * up - 1]
    phases = F.pad(f, (0, 1, 0, 1)).reshape(2 * EXTENT, up, 2 * EXTENT, up)
    phases = phases / phases.sum(dim=(0, 2), keepdim=True) / up ** 2
    return phases.reshape(2 * EXTENT * up, -1)[:-1, :-1]


def _window(x: Tensor) -> Tensor:
    return torch.where(x.abs() < LANCZOS, (x / LANCZOS).sinc(), 0)


def _circular(a: Tensor, b: Tensor) -> Tensor:
    """The circular convolution of two squares of odd size, each with its origin in the middle, and so the result."""
    product = torch.fft.rfft2(torch.fft.ifftshift(a)) * torch.fft.rfft2(torch.fft.ifftshift(b))
    return torch.fft.fftshift(torch.fft.irfft2(product, s=a.shape))


# -- layers -----------------------------------------------------------------------------------------------------------

def shift_error(before: Tensor, after: Tensor, dx: float, dy: float, rate: float) -> tuple[float, float]:
    """(energy of after - `before` moved by (dx, dy) samples, energy of that about its mean) of a layer's signals
    [C, H, W] with `rate` samples per image; (0, 0) where the layer is too small.

    `before` is moved by a long kernel: the six taps of app. E.2 would themselves lose more above half of Nyquist than
    good layers do. Margins serve the kernel; compared is within the image, where all that it needs is known.
    """
    height, width = before.shape[1:]
    rows, columns = _compared(height, dy, rate), _compared(width, dx, rate)
    if not len(rows) or not len(columns):
        return 0.0, 0.0
    down, right = _shifting(height, dy)[rows].to(before.device), _shifting(width, dx)[columns].to(before.device)
    error = energy = 0.0
    for a, b in zip(*(x.split(max(1, CHUNK // (height * width))) for x in (before, after))):
        moved = down @ a.float() @ right.T
        b = b[:, rows.start:rows.stop, columns.start:columns.stop]
        error += _energy(b - moved)
        energy += _energy(moved - moved.mean(dim=(1, 2), keepdim=True))
    return error, energy


def _compared(size: int, shift: float, rate: float) -> range:
    """The samples within the image for which the kernel finds all that it needs."""
    middle = (size - 1) / 2
    first, last = max(middle - rate / 2, KERNEL + max(shift, 0)), min(middle + rate / 2,
                                                                     size - 1 - KERNEL + min(shift, 0))
    return range(math.ceil(first), max(math.floor(last) + 1, math.ceil(first)))


def _shifting(size: int, shift: float) -> Tensor:
    """[size, size]: row o interpolates the signal at o - shift; a sinc in a Kaiser window, of sum 1 away from the
    borders."""
    at = torch.arange(size, dtype=torch.float64)[:, None] - torch.arange(size, dtype=torch.float64) - shift
    return (_kernel(at) / _kernel(torch.arange(-KERNEL, KERNEL + 2, dtype=torch.float64) - shift % 1).sum()).float()


def _kernel(at: Tensor) -> Tensor:
    inside = (1 - (at / KERNEL).square()).clamp(min=0)
    return torch.where(inside > 0, at.sinc() * torch.special.i0(BETA * inside.sqrt()), 0)


def _energy(x: Tensor) -> float:
    return x.square().sum(dim=2).cpu().double().sum().item()
