"""The ops as their definitions read, in float64 NumPy: zeros inserted, loops over taps, nothing clever."""
from __future__ import annotations

from math import sqrt

import numpy as np
import torch


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def four(padding):
    if isinstance(padding, int):
        return (padding,) * 4
    return (padding[0],) * 2 + (padding[1],) * 2 if len(padding) == 2 else tuple(padding)


def insert_zeros(x, up):
    n, c, h, w = x.shape
    out = np.zeros((n, c, h * up[1], w * up[0]))
    out[:, :, ::up[1], ::up[0]] = x
    return out


def pad_or_crop(x, padding):
    x0, x1, y0, y1 = padding
    x = np.pad(x, ((0, 0), (0, 0), (max(y0, 0), max(y1, 0)), (max(x0, 0), max(x1, 0))))
    return x[:, :, max(-y0, 0):x.shape[2] - max(-y1, 0), max(-x0, 0):x.shape[3] - max(-x1, 0)]


def correlate(x, w):
    """Valid region of x [N, I, H, W] with w [O, I, kh, kw]."""
    kh, kw = w.shape[2:]
    h, width = x.shape[2] - kh + 1, x.shape[3] - kw + 1
    return sum(np.einsum("nihw,oi->nohw", x[:, :, i:i + h, j:j + width], w[:, :, i, j])
               for i in range(kh) for j in range(kw))


def scaled_filter(f, gain):
    """[fh, fw] in float64; the gain goes into the float32 taps before that (spec)."""
    f = torch.ones(1, 1) if f is None else f
    f = f * gain ** (f.ndim / 2)
    assert f.dtype == torch.float32
    f = f.double().numpy()
    return np.outer(f, f) if f.ndim == 1 else f


def upfirdn2d(x, f, up=1, down=1, padding=0, flip_filter=False, gain=1):
    up, down, f = pair(up), pair(down), scaled_filter(f, gain)
    if not flip_filter:
        f = f[::-1, ::-1]
    x = pad_or_crop(insert_zeros(x, up), four(padding))
    fh, fw = f.shape
    h, w = x.shape[2] - fh + 1, x.shape[3] - fw + 1
    y = sum(f[i, j] * x[:, :, i:i + h, j:j + w] for i in range(fh) for j in range(fw))
    return y[:, :, ::down[1], ::down[0]]


ACTIVATIONS = {   # name: (formula, default alpha, default gain)
    "linear": (lambda x, a: x, 0, 1),
    "relu": (lambda x, a: np.maximum(x, 0), 0, sqrt(2)),
    "lrelu": (lambda x, a: np.where(x > 0, x, a * x), 0.2, sqrt(2)),
    "tanh": (lambda x, a: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1), 0, 1),
    "sigmoid": (lambda x, a: 1 / (1 + np.exp(-x)), 0, 1),
    "elu": (lambda x, a: np.where(x > 0, x, np.exp(x) - 1), 0, 1),
    "selu": (lambda x, a: 1.0507009873554804934 * np.where(x > 0, x, 1.6732632423543772848 * (np.exp(x) - 1)), 0, 1),
    "softplus": (lambda x, a: np.log(1 + np.exp(x)), 0, 1),
    "swish": (lambda x, a: x / (1 + np.exp(-x)), 0, sqrt(2)),
}


def bias_act(x, b=None, act="linear", alpha=None, gain=None, clamp=None):
    """Bias along axis 1."""
    formula, default_alpha, default_gain = ACTIVATIONS[act]
    if b is not None:
        x = x + b.reshape(1, -1, *[1] * (x.ndim - 2))
    y = formula(x, default_alpha if alpha is None else alpha) * (default_gain if gain is None else gain)
    return y if clamp is None else np.clip(y, -clamp, clamp)


def filtered_lrelu(x, fu, fd, b, up, down, padding, gain, slope, clamp, flip_filter):
    """(up, act, out): the two of `filtered_lrelu_steps`, and the result."""
    ux, uy = pair(up)
    high = upfirdn2d(bias_act(x, b), fu, up=up, padding=padding, flip_filter=flip_filter, gain=ux * uy)
    act = bias_act(high, act="lrelu", alpha=slope, gain=gain, clamp=clamp)
    return high, act, upfirdn2d(act, fd, down=down, flip_filter=flip_filter)


def conv2d_resample(x, w, f, up, down, padding, flip_weight):
    """FIR at the high rate, then convolution there (spec "conv2d_resample")."""
    if not flip_weight:
        w = w[:, :, ::-1, ::-1]
    taps = 1 if f is None else f.shape[-1]
    p = np.array(four(padding))
    if up > 1:
        centre = np.array([(taps + up - 1) // 2, (taps - up) // 2] * 2)
        return correlate(upfirdn2d(x, f, up=up, padding=tuple(p + centre), gain=up ** 2), w)
    if down > 1:
        centre = np.array([(taps - down + 1) // 2, (taps - down) // 2] * 2)
        return correlate(upfirdn2d(x, f, padding=tuple(p + centre)), w)[:, :, ::down, ::down]
    return correlate(pad_or_crop(x, tuple(p)), w)


def relative_error(a, b):
    """||a - b|| / ||b|| in float64 (||a|| where b is 0); shapes must agree."""
    a, b = (np.asarray(v.detach().double() if isinstance(v, torch.Tensor) else v) for v in (a, b))
    assert a.shape == b.shape, (a.shape, b.shape)
    return np.linalg.norm(a - b) / (np.linalg.norm(b) or 1)
