"""Plain convolution in the layout and number format that the device is quick in; every other one is built on it.

On a CPU that is channels_last, where oneDNN is 1.2 to 7 times faster (most for transposed and per-channel kernels), and
float32 for 16-bit tensors, which few processors multiply: rounding once at the end is also the more exact result.
Those that multiply bfloat16 do so, and add up in float32 all the same.
"""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cuda_ops import processor

Sides = tuple[int, int, int, int]                    # x0, x1, y0, y1


def conv2d(x: Tensor, w: Tensor, stride: tuple[int, int] = (1, 1), padding: Sides = (0, 0, 0, 0),
           groups: int = 1) -> Tensor:
    """Correlation of x [N, I, H, W], zero-padded or cropped, with w [O, I / groups, kh, kw]. `stride`: (y, x)."""
    x0, x1, y0, y1 = padding
    if x0 != x1 or y0 != y1 or min(padding) < 0:
        x, x0, y0 = pad(x, padding), 0, 0
    return F.conv2d(*_quick(x, w), stride=stride, padding=(y0, x0), groups=groups).to(x.dtype)


def conv_transpose2d(x: Tensor, w: Tensor, stride: tuple[int, int], crop: tuple[int, int] = (0, 0),
                     groups: int = 1) -> Tensor:
    """Every sample of x [N, I, H, W] spreads w [I, O / groups, kh, kw], `stride` (y, x) apart, less `crop`
    (y, x) on each side."""
    return F.conv_transpose2d(*_quick(x, w), stride=stride, padding=crop, groups=groups).to(x.dtype)


def pad(x: Tensor, padding: Sides) -> Tensor:
    """x [N, C, H, W] with zeros around it, or cropped where `padding` is negative. May be x itself or a view of it."""
    if max(padding) > 0:
        x = F.pad(x, [max(p, 0) for p in padding])
    x0, x1, y0, y1 = (max(-p, 0) for p in padding)
    return x[:, :, y0:x.shape[2] - y1, x0:x.shape[3] - x1]


def _quick(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    if x.device.type == "cpu":
        x = x.to(_arithmetic(x.dtype, w)).contiguous(memory_format=torch.channels_last)
    return x, w.to(x.dtype)


def _arithmetic(dtype: torch.dtype, w: Tensor) -> torch.dtype:
    """What a CPU multiplies `dtype` in. FIR filters (a kernel for each channel) keep their taps, whose sum
    8 bits would alter."""
    if dtype == torch.float64 or dtype == torch.bfloat16 and w.shape[1] > 1 and processor.multiplies_bfloat16():
        return dtype
    return torch.float32
