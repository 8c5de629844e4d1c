"""noise_act: what follows StyleGAN2's convolutions: FIR, demodulation, noise, bias, activation, gain, clamp.

Source: StyleGAN2 (Karras et al. 2020) fig. 2d and app. B; spec "upfirdn2d", "bias_act".
"""
from __future__ import annotations

from math import inf

import torch
from torch import Tensor

from cuda_ops import dispatch, native
from cuda_ops.bias_act import ACTIVATIONS, bias_act
from cuda_ops.conv2d_resample import Fir, apply_fir
from cuda_ops.upfirdn2d import check_image, filter_size

# --- steps -----------------------------------------------------------------------------------------------------------

def demodulated(x: Tensor, scale: Tensor | None, fir: Fir | None = None) -> Tensor:
    """x [N, C, H, W] filtered with `fir`, times `scale` [N, C]; a step is left out where it is None."""
    x = apply_fir(x, fir)
    return x if scale is None else x * scale.to(x.dtype)[:, :, None, None]


def add_noise(x: Tensor, noise: Tensor | None, strength: Tensor | None) -> Tensor:
    """x [N, C, H, W] + noise [1 or N, 1, H, W] * strength []; x without noise."""
    return x if noise is None else x + (noise * strength).to(x.dtype)


# --- reference -------------------------------------------------------------------------------------------------------

@dispatch.register("noise_act", "reference")
def _reference(x: Tensor, scale: Tensor | None, fir: Fir | None, noise: Tensor | None, strength: Tensor | None,
               b: Tensor | None, act: str, alpha: float, gain: float, clamp: float | None, overwrite: bool) -> Tensor:
    x = add_noise(demodulated(x, scale, fir), noise, strength)
    return bias_act(x, None if b is None else b.to(x.dtype), act=act, alpha=alpha, gain=gain, clamp=clamp)


# --- cpu -------------------------------------------------------------------------------------------------------------

@dispatch.register("noise_act", "cpu", native.why_not)
def _cpu(x: Tensor, scale: Tensor | None, fir: Fir | None, noise: Tensor | None, strength: Tensor | None,
         b: Tensor | None, act: str, alpha: float, gain: float, clamp: float | None, overwrite: bool) -> Tensor:
    """As `_reference`, in one pass over memory: kernels/noise_act.cpp. Rarer activations take another one."""
    if act not in ("linear", "lrelu"):
        x = _cpu(x, scale, fir, noise, strength, b, "linear", 0, 1, None, overwrite)
        return bias_act(x, None, act=act, alpha=alpha, gain=gain, clamp=clamp)
    x, f, (x0, x1, y0, y1) = native.channels_last(x), _taps(fir), fir.padding if fir else (0, 0, 0, 0)
    (n, c, h, w), (fh, fw) = x.shape, f.shape
    oh, ow = h + y0 + y1 - fh + 1, w + x0 + x1 - fw + 1
    y = x if overwrite and fir is None else native.empty_channels_last(x, n, c, oh, ow)
    given = [None if t is None else t.float().contiguous() for t in (scale, noise, strength, b)]
    native.call("noise_act", x, f, y, *given, n, c, h, w, oh, ow, y0, x0, fh, fw,
                oh * ow if noise is not None and len(noise) > 1 else 0,
                1.0 if act == "linear" else float(alpha), float(gain), inf if clamp is None else float(clamp))
    return y


def _taps(fir: Fir | None) -> Tensor:
    """[fh, fw] in the order in which they meet the samples, gain included."""
    if fir is None or fir.f is None:
        return torch.full((1, 1), 1.0 if fir is None else float(fir.gain))
    f = fir.f * fir.gain ** (fir.f.ndim / 2)
    return (f.outer(f) if f.ndim == 1 else f).flip(0, 1)


# --- public ----------------------------------------------------------------------------------------------------------

def noise_act(x: Tensor, noise: Tensor | None, strength: Tensor | None, b: Tensor | None, act: str = "linear",
              alpha: float | None = None, gain: float | None = None, clamp: float | None = None,
              scale: Tensor | None = None, fir: Fir | None = None, overwrite: bool = False) -> Tensor:
    """clamp(gain * act(fir(x) * scale + noise * strength + b), -clamp, clamp).

    `x` [N, C, H, W], any float dtype; `fir`: a filter still to be applied, or None; `scale` [N, C] or None;
    `noise` [1 or N, 1, H', W'] of the filtered size with `strength` [], or None; `b` [C] or None.
    `act`, `alpha`, `gain`, `clamp`: as in `bias_act`. `overwrite`: x is nobody else's, its memory may take the result.
    Returns [N, C, H', W'] in x's dtype. Differentiable in all but the filter, any order: while gradients are recorded
    the public ops run one after the other, since theirs need what lies between. Raises ValueError or TypeError on
    shapes and types that don't fit.
    """
    _check(x, noise, strength, b, act, clamp, scale, fir)
    default = ACTIVATIONS[act]
    given = (x, scale, fir, noise, strength, b, act, default.alpha if alpha is None else alpha,
             default.gain if gain is None else gain, clamp, overwrite)
    tensors = x, scale, noise, strength, b
    is_recorded = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    return _reference(*given) if is_recorded else dispatch.choose("noise_act", x)(*given)


def _check(x: Tensor, noise: Tensor | None, strength: Tensor | None, b: Tensor | None, act: str, clamp: float | None,
           scale: Tensor | None, fir: Fir | None) -> None:
    check_image(x, "noise_act")
    if act not in ACTIVATIONS:
        raise ValueError(f"activation '{act}' is not one of {', '.join(ACTIVATIONS)}")
    if clamp is not None and clamp < 0:
        raise ValueError(f"clamp is at least 0, not {clamp}")
    (n, c, h, w), (x0, x1, y0, y1) = x.shape, fir.padding if fir else (0, 0, 0, 0)
    fw, fh = filter_size(fir.f if fir else None)
    h, w = h + y0 + y1 - fh + 1, w + x0 + x1 - fw + 1
    if min(h, w) < 1:
        raise ValueError(f"the padded image of {w + fw - 1}x{h + fh - 1} is smaller than the filter of {fw}x{fh} taps")
    if noise is not None and (noise.shape[0] not in (1, n) or noise.shape[1:] != (1, h, w) or strength is None):
        raise ValueError(f"noise of shape {list(noise.shape)} does not fit: noise_act takes [1 or {n}, 1, {h}, {w}] "
                         "and its strength")
    for name, value, shape in (("strength", strength, ()), ("b", b, (c,)), ("scale", scale, (n, c))):
        if value is not None and value.shape != shape:
            raise ValueError(f"{name} of shape {list(value.shape)} does not fit: noise_act takes {list(shape)}")
