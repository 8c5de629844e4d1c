"""noise_act: what follows StyleGAN2's convolutions: FIR, demodulation, noise, bias, activation, gain, clamp.

Source: StyleGAN2 (Karras et al. 2020) fig. 2d and app. B; spec "upfirdn2d", "bias_act".
"""
from __future__ import annotations

from math import inf

import torch
from torch import Tensor

from cuda_ops import cuda_launch, dispatch, native
from cuda_ops.bias_act import ACTIVATIONS, bias_act
from cuda_ops.conv2d_resample import Fir, apply_fir
from cuda_ops.cuda_launch import Launch
from cuda_ops.upfirdn2d import check_image, filter_size, fir_tiles

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


# --- cuda ------------------------------------------------------------------------------------------------------------

FUSED_TAPS = ((4, 4),)                   # [fh, fw] of [1, 3, 3, 1]; any other filter takes a pass of its own


@dispatch.register("noise_act", "cuda", cuda_launch.why_not)
def _cuda(x: Tensor, scale: Tensor | None, fir: Fir | None, noise: Tensor | None, strength: Tensor | None,
          b: Tensor | None, act: str, alpha: float, gain: float, clamp: float | None, overwrite: bool) -> Tensor:
    """As `_reference`, in one pass over memory: kernels/noise_act.cu. Rarer activations and filters take another."""
    if act not in ("linear", "lrelu"):
        x = _cuda(x, scale, fir, noise, strength, b, "linear", 0, 1, None, overwrite)
        return bias_act(x, None, act=act, alpha=alpha, gain=gain, clamp=clamp)
    if fir is not None and (fir.f is None or fir.f.shape not in FUSED_TAPS):
        x, fir, overwrite = apply_fir(x, fir), None, True
    layout = cuda_launch.layout(x)
    x = x.contiguous(memory_format=layout)
    given = [None if t is None else t.float().contiguous() for t in (scale, noise, strength, b)]
    oh, ow = _filtered_size(x, fir)
    step = (*given, x.shape[1], oh * ow if noise is not None and len(noise) > 1 else 0,
            1.0 if act == "linear" else float(alpha), float(gain), inf if clamp is None else float(clamp))
    if fir is not None:
        y = torch.empty((*x.shape[:2], oh, ow), dtype=x.dtype, device=x.device, memory_format=layout)
        cuda_launch.launch(x, _filtered(x, y, fir, step, layout))
        return y
    y = x if overwrite else torch.empty_like(x)
    cuda_launch.launch(x, _elementwise(x, y, step, layout))
    return y


def _elementwise(x: Tensor, y: Tensor, step: tuple, layout: torch.memory_format) -> Launch:
    """A thread for every 16 bytes."""
    n, c, h, w = x.shape
    sizes = (n * c, h * w, 1) if layout == torch.contiguous_format else (n, h * w, c)
    blocks = -(-x.numel() * x.element_size() // (16 * 256))
    return Launch("noise_act.cu", f"noise_act<{cuda_launch.C_TYPES[x.dtype]}>", (blocks, 1, 1), (256, 1, 1),
                  (x, y, *step, *sizes))


def _filtered(x: Tensor, y: Tensor, fir: Fir, step: tuple, layout: torch.memory_format) -> Launch:
    n, c, h, w = x.shape
    if layout == torch.contiguous_format:
        n, c = n * c, 1
    f, oh, ow = _taps(fir).contiguous(), *y.shape[2:]
    channels, *tiles, blocks = fir_tiles(n, c, oh, ow, (1, 1), (1, 1))
    kernel = f"noise_act_fir<{cuda_launch.C_TYPES[x.dtype]}, {f.shape[1]}, {f.shape[0]}, {channels}>"
    return Launch("noise_act.cu", kernel, (blocks, 1, 1), (256, 1, 1),
                  (x, y, *step, f, c, h, w, oh, ow, fir.padding[0], fir.padding[2], *tiles))


def _filtered_size(x: Tensor, fir: Fir | None) -> tuple[int, int]:
    """(height, width) of x after `fir`."""
    (h, w), (x0, x1, y0, y1) = x.shape[2:], fir.padding if fir else (0, 0, 0, 0)
    fw, fh = filter_size(fir.f if fir else None)
    return h + y0 + y1 - fh + 1, w + x0 + x1 - fw + 1


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
    (n, c), (h, w), (fw, fh) = x.shape[:2], _filtered_size(x, fir), filter_size(fir.f if fir else None)
    if min(h, w) < 1:
        raise ValueError(f"the padded image of {w + fw - 1}x{h + fh - 1} is smaller than the filter of {fw}x{fh} taps")
    if noise is not None and (noise.shape[0] not in (1, n) or noise.shape[1:] != (1, h, w) or strength is None):
        raise ValueError(f"noise of shape {list(noise.shape)} does not fit: noise_act takes [1 or {n}, 1, {h}, {w}] "
                         "and its strength")
    for name, value, shape in (("strength", strength, ()), ("b", b, (c,)), ("scale", scale, (n, c))):
        if value is not None and value.shape != shape:
            raise ValueError(f"{name} of shape {list(value.shape)} does not fit: noise_act takes {list(shape)}")
