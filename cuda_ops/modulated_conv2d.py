"""Convolution whose weights are modulated by a style, of StyleGAN2 (sec. 2.2, eqs. 1-3) and of StyleGAN3."""
from __future__ import annotations

import torch
from torch import Tensor

from cuda_ops.conv2d_resample import _conv2d_resample
from cuda_ops.upfirdn2d import Padding


def modulated_conv2d(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, up: int = 1, down: int = 1,
                     padding: Padding = 0, resample_filter: Tensor | None = None, flip_weight: bool = True,
                     scaled_weights: bool = False) -> Tensor:
    """StyleGAN2's: x [N, I, H, W], weight [O, I, k, k], style [N, I] -> [N, O, H', W']."""
    if scaled_weights:
        weight = weight / weight[0].numel() ** 0.5
    if demodulate and x.dtype == torch.float16:
        weight = weight / (weight[0].numel() ** 0.5 * weight.abs().amax((1, 2, 3), keepdim=True))
        style = style / style.abs().amax(1, keepdim=True)
    w = weight[None] * style[:, None, :, None, None]
    if demodulate:
        w = w * (w.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    return _per_sample(x, w, resample_filter, up, down, padding, flip_weight)


def modulated_conv2d_sg3(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, padding: Padding = 0,
                         input_gain: Tensor | None = None) -> Tensor:
    """StyleGAN3's: x [N, I, H, W], weight [O, I, k, k], style [N, I] -> [N, O, H', W']."""
    if demodulate:
        weight = weight * weight.square().mean((1, 2, 3), keepdim=True).rsqrt()
        style = style * style.square().mean().rsqrt()
    w = weight[None] * style[:, None, :, None, None]
    if demodulate:
        w = w * (w.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    if input_gain is not None:
        w = w * input_gain
    return _per_sample(x, w, None, 1, 1, padding, True)


def _per_sample(x, w, f, up, down, padding, flip_weight):
    n, o = w.shape[:2]
    x = _conv2d_resample(x.reshape(1, -1, *x.shape[2:]), w.flatten(0, 1), f, up, down, padding, flip_weight, groups=n)
    return x.reshape(n, o, *x.shape[2:])
