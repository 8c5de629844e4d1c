"""conv2d_resample: convolution combined with FIR up- or downsampling.

Source: StyleGAN2 (Karras et al. 2020) app. B; spec "conv2d_resample". All steps are linear and shift-invariant, so they
may trade places; each case below runs in its cheapest order.
"""
from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from cuda_ops.convolution import Sides
from cuda_ops.scaled_conv2d import scaled_conv2d
from cuda_ops.upfirdn2d import (
    Padding,
    add_paddings,
    check_filter,
    check_image,
    down_padding,
    four_paddings,
    up_padding,
    upfirdn2d,
)


class Fir(NamedTuple):
    """A filter still to be applied: upfirdn2d(x, f, padding=padding, gain=gain)."""
    f: Tensor | None                     # float32 [fh, fw], [taps] or None (identity)
    padding: Sides
    gain: float


def conv2d_resample(x: Tensor, w: Tensor, f: Tensor | None = None, up: int = 1, down: int = 1, padding: Padding = 0,
                    flip_weight: bool = True, style: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
    """x [N, I, H, W], enlarged by `up` through the FIR filter `f`, convolved with w [O, I, kh, kw], or convolved and
    reduced by `down`.

    `f`: float32 [fh, fw], [taps] (separable) or None (identity); unused without resampling. `padding`: int, [x, y] or
    [x0, x1, y0, y1] in pixels of the image that is convolved; k // 2 keeps the size, or makes it size*up, size/down.
    `flip_weight` True is correlation (torch's conv2d), False convolution proper. `style` [N, I] and `scale` [N, O]
    multiply the channels of x and of the result. Returns [N, O, H', W'], in x's dtype.
    Differentiable in all tensors but f, any order. Raises ValueError or TypeError on arguments that don't fit, both
    factors among them: resampling goes one way at a time.
    """
    padding = _check(x, w, f, up, down, padding)
    if down == 1:
        return apply_fir(*_before_fir(x, w, f, up, padding, flip_weight, style, scale))
    w = w if flip_weight else w.flip(2, 3)
    padding = add_paddings(padding, down_padding(f, (down, down)))
    if w.shape[2:] == (1, 1):
        return scaled_conv2d(upfirdn2d(x, f, down=down, padding=padding), w, style, scale)
    return scaled_conv2d(upfirdn2d(x, f, padding=padding), w, style, scale, stride=down)


def conv2d_before_fir(x: Tensor, w: Tensor, f: Tensor | None = None, up: int = 1, padding: Padding = 0,
                      flip_weight: bool = True, style: Tensor | None = None) -> tuple[Tensor, Fir | None]:
    """`conv2d_resample` with down = 1, less the FIR filter at its end, if one is still to be applied."""
    return _before_fir(x, w, f, up, _check(x, w, f, up, 1, padding), flip_weight, style, None)


def apply_fir(x: Tensor, fir: Fir | None) -> Tensor:
    return x if fir is None else upfirdn2d(x, fir.f, padding=fir.padding, gain=fir.gain)


def _before_fir(x: Tensor, w: Tensor, f: Tensor | None, up: int, padding: Sides, flip_weight: bool,
                style: Tensor | None, scale: Tensor | None) -> tuple[Tensor, Fir | None]:
    """Zero-insertion and true convolution are one strided transposed convolution, at 1/up² of the arithmetic; then FIR.

    The transposed convolution's result starts k - 1 before the first sample and lacks the last up - 1 inserted zeros.
    """
    if up == 1:
        return scaled_conv2d(x, w if flip_weight else w.flip(2, 3), style, scale, padding=padding), None
    padding = add_paddings(padding, up_padding(f, (up, up)))
    kh, kw = w.shape[2:]
    if kh == kw == 1:
        return upfirdn2d(scaled_conv2d(x, w, style, scale), f, up=up, padding=padding, gain=up ** 2), None
    x = scaled_conv2d(x, w.flip(2, 3) if flip_weight else w, style, scale, up=up)
    return x, Fir(f, add_paddings(padding, (1 - kw, up - kw, 1 - kh, up - kh)), up ** 2)


def _check(x: Tensor, w: Tensor, f: Tensor | None, up: int, down: int, padding: Padding) -> Sides:
    check_image(x, "conv2d_resample")
    check_filter(f, "conv2d_resample")
    padding = four_paddings(padding)
    if w.ndim != 4 or w.shape[1] != x.shape[1]:
        raise ValueError(f"weights of shape {list(w.shape)} do not fit {x.shape[1]} input channels: "
                         "conv2d_resample takes [O, I, kh, kw]")
    if min(up, down) < 1 or up > 1 and down > 1:
        raise ValueError("conv2d_resample goes one way at a time, up or down by an integer, "
                         f"not up {up} and down {down}")
    width = x.shape[3] * up + padding[0] + padding[1] - (down - 1)
    height = x.shape[2] * up + padding[2] + padding[3] - (down - 1)
    if width < w.shape[3] or height < w.shape[2]:
        raise ValueError(f"the resampled, padded image of {width}x{height} is smaller than "
                         f"the kernel of {w.shape[3]}x{w.shape[2]}")
    return padding
