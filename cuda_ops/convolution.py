"""Plain convolution, in the layout and number format that the device is quick in. Every other convolution is built on it.

On a CPU that is channels_last, where oneDNN is 1.2 to 7 times faster (most for transposed and per-channel kernels), and
float32 for 16-bit tensors, which few processors multiply: rounding once at the end is also the more exact result.
"""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def conv2d(x: Tensor, w: Tensor, stride: tuple[int, int] = (1, 1), padding: tuple[int, int] = (0, 0),
           groups: int = 1) -> Tensor:
    """Correlation of x [N, I, H, W] with w [O, I / groups, kh, kw], zero-padded. `stride`, `padding`: (y, x)."""
    return F.conv2d(*_quick(x, w), stride=stride, padding=padding, groups=groups).to(x.dtype)


def conv_transpose2d(x: Tensor, w: Tensor, stride: tuple[int, int], padding: tuple[int, int] = (0, 0),
                     groups: int = 1) -> Tensor:
    """Every sample of x [N, I, H, W] spreads w [I, O / groups, kh, kw], `stride` apart; `padding` crops each side."""
    return F.conv_transpose2d(*_quick(x, w), stride=stride, padding=padding, groups=groups).to(x.dtype)


def _quick(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    if x.device.type == "cpu":
        dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
        x = x.to(dtype).contiguous(memory_format=torch.channels_last)
    return x, w.to(x.dtype)
