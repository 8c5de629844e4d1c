"""Geometric augmentation: one affine transform of every picture, and one resampling that does not alias.

Source: ADA (Karras et al. 2020) app. B.1; spec training.md "Geometry". Matrices are float64 [N, 3, 3], in pixels with
the origin at the picture's centre, and map positions of the result to positions of the source.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import ceil, pi
from operator import matmul

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from cuda_ops.upfirdn2d import downsample2d, setup_filter, upsample2d
from train.augment.draws import Drawn

# Daubechies' least asymmetric wavelet of six vanishing moments, "sym6": its low-pass of decomposition (1992, tab. 6.3)
SYM6 = setup_filter([0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
                     0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
                     -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148])
REACH = len(SYM6) // 4                               # pixels of the source on each side that the filter at 2x touches


def inverse_transform(drawn: Drawn, width: int, height: int) -> Tensor | None:
    """G⁻¹ [N, 3, 3] of pictures of this size in pixels; None if no geometric transform is enabled."""
    size = torch.tensor([width, height])
    factors = []
    if drawn.xflip is not None:
        factors.append(scaling(1 - 2 * drawn.xflip[:, 0], 1))
    if drawn.rotate90 is not None:
        factors.append(rotation(pi / 2 * drawn.rotate90[:, 0].double()))
    if drawn.xint is not None:
        factors.append(translation(*(-(drawn.xint * size).round()).unbind(1)))
    if drawn.scale is not None:
        factors.append(scaling(1 / drawn.scale[:, 0], 1 / drawn.scale[:, 0]))
    if drawn.rotate is not None:
        factors.append(rotation(drawn.rotate[:, 0]))
    if drawn.aniso is not None:
        factors.append(scaling(1 / drawn.aniso[:, 0], drawn.aniso[:, 0]))
    if drawn.rotate is not None:
        factors.append(rotation(drawn.rotate[:, 1]))
    if drawn.xfrac is not None:
        factors.append(translation(*(-drawn.xfrac * size).unbind(1)))
    return reduce(matmul, factors) if factors else None


def resample(x: Tensor, inverse: Tensor, around: Sequence[int]) -> Tensor:
    """x [N, C, H, W] moved as `inverse` [N, 3, 3] says, in its own size, and mirrored for the `around` of `margins`.

    Enlarged by 2 with a wavelet's low-pass, read bilinearly, and reduced by 2 with the same filter reversed.
    """
    height, width = x.shape[2:]
    left, top, right, bottom = around
    x = pad(x, (left, right, top, bottom), mode="reflect")
    inverse = translation((left - right) / 2, (top - bottom) / 2) @ inverse
    taps = SYM6.to(x.device)
    x = upsample2d(x, taps)
    # at twice the size, and half a new pixel on: the filter is centred between the new pixels
    inverse = translation(-0.5, -0.5) @ scaling(2, 2) @ inverse @ scaling(0.5, 0.5) @ translation(0.5, 0.5)
    x = _Sample.apply(x, sampling_grid(inverse, x, 2 * (width + 2 * REACH), 2 * (height + 2 * REACH)))
    return downsample2d(x, taps, padding=-2 * REACH, flip_filter=True)


def margins(inverse: Tensor, width: int, height: int) -> list[int]:
    """How far the transforms [N, 3, 3] read beyond the picture, in pixels: left, top, right, bottom; < its size."""
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2], dtype=torch.float64)
    signs = torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    corners = inverse[:, :2, :2] @ (signs * centre).T + inverse[:, :2, 2:]                        # [N, 2, 4]
    beyond = torch.cat([-corners, corners], 1).amax((0, 2)) + 2 * REACH - centre.repeat(2)
    return [ceil(min(max(m, 0), size - 1)) for m, size in zip(beyond.tolist(), (width, height) * 2)]


def sampling_grid(inverse: Tensor, x: Tensor, width: int, height: int) -> Tensor:
    """Where in x each pixel of a result of this size lies -> [N, height, width, 2], as grid_sample takes it.

    Without a matrix product, which on some devices would round coordinates to ten bits (TF32).
    """
    to_unit = scaling(2 / x.shape[3], 2 / x.shape[2])
    by_x, by_y, offset = (to_unit @ inverse)[:, None, None, :2].to(x).unbind(-1)                  # [N, 1, 1, 2] each
    column, row = (torch.arange(n, dtype=x.dtype, device=x.device) - (n - 1) / 2 for n in (width, height))
    return by_x * column[:, None] + by_y * row[:, None, None] + offset


class _Sample(torch.autograd.Function):
    """Bilinear reading of x [N, C, H, W] at `grid`, zeros outside: linear in x, with `_Spread` as its transpose.

    Each is the other's backward, so gradients of every order follow, which grid_sample's own do not in every version.
    """

    @staticmethod
    def forward(ctx, x: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.size = x.shape[2:]
        return grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    @staticmethod
    def backward(ctx, dy: Tensor):
        return _Spread.apply(dy, *ctx.saved_tensors, ctx.size), None


class _Spread(torch.autograd.Function):
    """dy [N, C, h, w] added where `grid` reads from, into [N, C, *size]."""

    @staticmethod
    def forward(ctx, dy: Tensor, grid: Tensor, size: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        like_x = dy.new_zeros(1).expand(*dy.shape[:2], *size)
        dx, _ = torch.ops.aten.grid_sampler_2d_backward(dy, like_x, grid, 0, 0, False, [True, False])
        return dx

    @staticmethod
    def backward(ctx, ddx: Tensor):
        return _Sample.apply(ddx, *ctx.saved_tensors), None, None


# --- matrices --------------------------------------------------------------------------------------------------------

def scaling(x, y) -> Tensor:
    """diag(x, y, 1); arguments here and below: [N] tensors or numbers -> [N or 1, 3, 3]."""
    return _matrix(x, 0, 0, 0, y, 0)


def rotation(angle) -> Tensor:
    return _matrix(angle.cos(), -angle.sin(), 0, angle.sin(), angle.cos(), 0)


def translation(x, y) -> Tensor:
    return _matrix(1, 0, x, 0, 1, y)


def _matrix(*rows) -> Tensor:
    entries = torch.broadcast_tensors(*(torch.as_tensor(v, dtype=torch.float64) for v in (*rows, 0, 0, 1)))
    return torch.stack(entries, -1).reshape(-1, 3, 3)
