"""Equivariance: does the picture follow its input's transform? The operators of StyleGAN3 app. E, and layers' shifts.

A transform is a 3x3 matrix on (x, y) in image units: x to the right, y down, the image spanning -0.5 .. 0.5. Written
into StyleGAN3's input is its inverse.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from cuda_ops.upfirdn2d import filter2d, upsample2d

PEAK_DB = 20 * math.log10(2)             # of pictures from -1 to 1
LANCZOS = 3                              # half width of the interpolation kernel, in samples (app. E.2)
EXTENT = 6                               # half width of the oriented filter, in samples (app. E.3)
WRAP = 64                                # half width of the period on which it is convolved, in samples
FINE = 4                                 # samples that a rotation is interpolated among, for each one of the picture


def translation(tx: float, ty: float) -> Tensor:
    """The picture moves right by tx and down by ty, in shares of its width and height: float64 [3, 3]."""
    return torch.tensor([[1, 0, tx], [0, 1, ty], [0, 0, 1]], dtype=torch.float64)


def rotation(angle: float) -> Tensor:
    """The picture turns about its centre by `angle` in radians, counter-clockwise on the screen: float64 [3, 3]."""
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, s, 0], [-s, c, 0], [0, 0, 1]], dtype=torch.float64)


def psnr_db(errors: Tensor, weights: Tensor) -> Tensor:
    """EQ of app. E.1 in dB, from summed squared errors of pictures from -1 to 1 and the pixels that they are of."""
    return PEAK_DB - 10 * (errors / weights).log10()


def masked_error(a: Tensor, b: Tensor, mask: Tensor) -> tuple[float, float]:
    """(sum of squared differences where `mask` is 1, how many values that are); all [N, C, H, W] or broadcast to it."""
    mask = mask.expand_as(a)
    return ((a - b).square() * mask).sum(dtype=torch.float64).item(), mask.sum(dtype=torch.float64).item()


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
