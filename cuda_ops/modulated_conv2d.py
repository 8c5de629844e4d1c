"""Convolution whose weights are modulated by a style: StyleGAN2's (sec. 2.2, eqs. 1-3) and StyleGAN3's.

Modulation multiplies each input channel of the weights by the style; demodulation gives every output channel's weights
unit length, so that unit-variance input keeps unit variance. The same numbers come out when input and output channels
of the convolution are scaled instead, and that is what `scaled_conv2d` is left to do in its cheapest way.
"""
from __future__ import annotations

import torch
from torch import Tensor

from cuda_ops.conv2d_resample import Fir, conv2d_before_fir, conv2d_resample
from cuda_ops.kept import kept
from cuda_ops.upfirdn2d import Padding, check_image

EPSILON = 1e-8                                       # of the demodulation (StyleGAN2 eq. 3)


def modulated_conv2d(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, up: int = 1, down: int = 1,
                     padding: Padding = 0, resample_filter: Tensor | None = None, flip_weight: bool = True,
                     scaled_weights: bool = False) -> Tensor:
    """StyleGAN2's modulated convolution: x [N, I, H, W], weight [O, I, k, k], style [N, I] -> [N, O, H', W'].

    `up`, `down`, `padding`, `resample_filter`, `flip_weight`: as in `conv2d_resample`. `scaled_weights`: weights are
    multiplied by 1/sqrt(I k²) before demodulation (TensorFlow files), which alters only the weight of its epsilon.
    Differentiable in all three tensors, any order. Raises ValueError or TypeError on shapes and types that don't fit.
    """
    weight, style = _check(x, weight, style)
    scale = None
    if demodulate:
        weight, style, scale = _demodulated(x, weight, style, scaled_weights)
    return conv2d_resample(x, weight, resample_filter, up, down, padding, flip_weight, style, scale)


def modulated_conv2d_before_fir(x: Tensor, weight: Tensor, style: Tensor, up: int = 1, padding: Padding = 0,
                                resample_filter: Tensor | None = None, flip_weight: bool = True,
                                scaled_weights: bool = False) -> tuple[Tensor, Tensor, Fir | None]:
    """`modulated_conv2d` less what `noise_act` does on its way: the demodulation, returned as [N, O] to multiply by,
    and the FIR filter at the end of an upsampling convolution. Equals it as `demodulated(x, scale, fir)`.
    """
    weight, style, scale = _demodulated(x, *_check(x, weight, style), scaled_weights)
    x, fir = conv2d_before_fir(x, weight, resample_filter, up, padding, flip_weight, style)
    return x, scale, fir


def modulated_conv2d_sg3(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, padding: Padding = 0,
                         input_gain: Tensor | None = None) -> Tensor:
    """StyleGAN3's modulated convolution: x [N, I, H, W], weight [O, I, k, k], style [N, I] -> [N, O, H', W'].

    With `demodulate`, weights are first divided by their RMS per output channel and styles by their RMS over the whole
    batch. `input_gain` (scalar, 1 / sqrt(magnitude_ema)) multiplies the weights after demodulation, or without it.
    Differentiable in all tensors, any order. Raises ValueError or TypeError on shapes and types that don't fit.
    """
    weight, style = _check(x, weight, style)
    scale = None
    if demodulate:
        energy = _energy(weight)
        per_rms = (energy.sum(1) / weight[0].numel()).rsqrt()                             # [O]
        style = style * style.square().mean().rsqrt()
        scale = _demodulation(energy * per_rms.square()[:, None], style, EPSILON) * per_rms
        weight, style, scale = _within_range(x, weight, style, scale)
    if input_gain is not None:
        style = style * input_gain
    return conv2d_resample(x, weight, padding=padding, style=style, scale=scale)


def _demodulated(x: Tensor, weight: Tensor, style: Tensor, scaled_weights: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Weight and style to convolve x with, and what demodulates the result [N, O]."""
    epsilon = EPSILON * weight[0].numel() if scaled_weights else EPSILON
    return _within_range(x, weight, style, _demodulation(_energy(weight), style, epsilon))


def _energy(weight: Tensor) -> Tensor:
    """The sum of squares over the kernel, [O, I]: all that demodulation needs of the weights."""
    return kept(weight, "energy", lambda w: torch.einsum("oikl,oikl->oi", w, w))


def _demodulation(energy: Tensor, style: Tensor, epsilon: float) -> Tensor:
    """1 / sqrt(sum over I, k of (style * weight)² + epsilon), [N, O] (StyleGAN2 eq. 3)."""
    return (style.square() @ energy.T + epsilon).rsqrt()


def _within_range(x: Tensor, weight: Tensor, style: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """In float16, shrinks weights and styles, in float32, so that sums over I k² products stay finite (spec); `scale`
    undoes it exactly."""
    if x.dtype != torch.float16:
        return weight, style, scale
    tiny = torch.finfo(torch.float32).tiny           # an all-zero channel stays zero
    weight_max = (weight[0].numel() ** 0.5 * weight.abs().amax((1, 2, 3))).clamp_min(tiny)
    style_max = style.abs().amax(1, keepdim=True).clamp_min(tiny)
    return weight / weight_max[:, None, None, None], style / style_max, scale * weight_max * style_max


def _check(x: Tensor, weight: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    """Returns weight and style in float32 at least: modulation and demodulation are computed in it."""
    check_image(x, "modulated_conv2d")
    if weight.ndim != 4 or weight.shape[1] != x.shape[1]:
        raise ValueError(f"weights of shape {list(weight.shape)} do not fit {x.shape[1]} input channels: "
                         "modulated_conv2d takes [O, I, k, k]")
    if style.shape != x.shape[:2]:
        raise ValueError(f"a style of shape {list(style.shape)} does not fit x: modulated_conv2d takes one of "
                         f"{list(x.shape[:2])}, a number per sample and input channel")
    dtype = torch.promote_types(weight.dtype, torch.float32)
    return weight.to(dtype), style.to(dtype)
