"""scaled_conv2d: convolution whose input and output channels are scaled per sample, as modulation and demodulation do.

By Winograd's minimal filtering on the CPU (Winograd 1980; Lavin & Gray 2016), or of few pixels by its definition: there
the scales cost nothing, and weights are prepared once per network instead of modulated once per frame.
"""
from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from cuda_ops import dispatch, native, processor
from cuda_ops.convolution import Sides, conv2d, conv_transpose2d
from cuda_ops.kept import is_keepable, kept

PANEL, DEPTH = 32, 64                    # output and input channels that the kernels take at a time (products.h)
FEW = 8 * 8                              # pixels


# --- reference -------------------------------------------------------------------------------------------------------

@dispatch.register("conv2d", "cuda", lambda x: "" if x.is_cuda else f"the tensor is on {x.device.type}")
@dispatch.register("conv2d", "reference")
def _direct(x: Tensor, w: Tensor, style: Tensor | None, scale: Tensor | None, up: int, stride: int,
            padding: Sides) -> Tensor:
    """Multiplies whichever is less: a single sample with more activations than weights has its weights modulated."""
    conv = partial(_transposed, up=up) if up > 1 else partial(conv2d, stride=(stride, stride), padding=padding)
    if len(x) == 1 and w.numel() < x.numel():
        return _on_weights(x, w, style, scale, conv)
    return _on_activations(x, w, style, scale, conv)


def _transposed(x: Tensor, w: Tensor, up: int) -> Tensor:
    return conv_transpose2d(x, w.transpose(0, 1), stride=(up, up))


def _on_weights(x: Tensor, w: Tensor, style: Tensor | None, scale: Tensor | None, conv) -> Tensor:
    if style is None and scale is None:
        return conv(x, w)
    if w.device.type == "cpu":           # elsewhere comparing styles would wait for all that was asked before
        return conv(x, kept(w, "modulated", _modulated, style, scale))
    return conv(x, _modulated(w, style, scale))


def _modulated(w: Tensor, style: Tensor | None, scale: Tensor | None) -> Tensor:
    if style is not None:
        w = w * style[0, :, None, None]
    return w if scale is None else w * scale[0, :, None, None, None]


def _on_activations(x: Tensor, w: Tensor, style: Tensor | None, scale: Tensor | None, conv) -> Tensor:
    if style is not None:
        x = x * style.to(x.dtype)[:, :, None, None]
    x = conv(x, w)
    return x if scale is None else x * scale.to(x.dtype)[:, :, None, None]


# --- cpu -------------------------------------------------------------------------------------------------------------

@dispatch.register("conv2d", "cpu", native.why_not)
def _fused(x: Tensor, w: Tensor, style: Tensor | None, scale: Tensor | None, up: int, stride: int,
           padding: Sides) -> Tensor:
    """Directly where that is reading the weights, by Winograd's filtering where that is less work, else in torch."""
    records = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, w, style, scale))
    is_3x3 = w.shape[2:] == (3, 3) and stride == 1 and up <= 2
    if records or not is_3x3 or not is_keepable(w) or min(_size(x, up, padding)) < 1 or _is_quick(x):
        return _direct(x, w, style, scale, up, stride, padding)
    if len(x) * x.shape[2] * x.shape[3] <= FEW:
        return _few_pixels(x, w, style, scale, up, padding)
    if min(w.shape[:2]) < 32:            # measured on AVX-512: transforms take longer than the multiplications saved
        return _direct(x, w, style, scale, up, stride, padding)
    return _winograd(x, w, style, scale, up, padding)


def _is_quick(x: Tensor) -> bool:
    """Whether oneDNN multiplies faster than the kernels, in instructions that they do not have."""
    return x.dtype == torch.bfloat16 and processor.multiplies_bfloat16()


def _size(x: Tensor, up: int, padding: Sides) -> tuple[int, int]:
    (h, w), (x0, x1, y0, y1) = x.shape[2:], padding
    return (2 * h + 1, 2 * w + 1) if up > 1 else (h + y0 + y1 - 2, w + x0 + x1 - 2)


def _winograd(x: Tensor, w: Tensor, style: Tensor | None, scale: Tensor | None, up: int, padding: Sides) -> Tensor:
    return _call("winograd", x, w, kept(w, f"winograd {up}", partial(_transformed, up=up)), style, scale, up, padding)


def _few_pixels(x: Tensor, w: Tensor, style: Tensor | None, scale: Tensor | None, up: int, padding: Sides) -> Tensor:
    return _call("direct", x, w, kept(w, f"direct {up}", partial(_packed, up=up)), style, scale, up, padding)


def _call(kernel: str, x: Tensor, w: Tensor, u: Tensor, style: Tensor | None, scale: Tensor | None, up: int,
          padding: Sides) -> Tensor:
    """u: w as `kernel` takes it."""
    (n, i, height, width), o, (out_height, out_width) = x.shape, len(w), _size(x, up, padding)
    x, style, scale = native.channels_last(x), _rows(style, n), _rows(scale, n)
    y = native.empty_channels_last(x, n, o, out_height, out_width)
    native.call(kernel, x, u, style, scale, y, n, height, width, i, o, out_height, out_width, padding[2], padding[0],
                up)
    return y


def _rows(values: Tensor | None, n: int) -> Tensor | None:
    return None if values is None else values.float().expand(n, -1).contiguous()


def _transformed(w: Tensor, up: int) -> Tensor:
    """w [O, I, 3, 3] -> float32 [kinds of products, panels x I x outputs of a panel], as winograd.cpp reads it."""
    g = _UP if up == 2 else _SAME
    u = torch.einsum("pa,oiab,qb->pqio", g, w.double(), g).float().flatten(0, 1)
    u = F.pad(u, (0, -len(w) % 16))
    return torch.cat([panel.flatten(1) for panel in u.split(PANEL, dim=2)], dim=1).contiguous()


def _packed(w: Tensor, up: int) -> Tensor:
    """w [O, I, 3, 3] -> float32 [panel][even or odd along y, x; one at stride 1][block of DEPTH inputs][tap][input,
    output], as direct.cpp reads it. Transposed, even results meet the last tap and the first, odd ones the middle one.
    """
    axis = ([2, 0], [1]) if up == 2 else ([0, 1, 2],)
    w = F.pad(w.float(), (0, 0, 0, 0, 0, 0, 0, -len(w) % 16))
    return torch.cat([block.permute(2, 3, 1, 0).flatten() for panel in w.split(PANEL) for y in axis for x in axis
                      for block in panel[:, :, y][..., x].split(DEPTH, dim=1)])


def _same_matrix() -> Tensor:
    """[6, 3]: a polynomial of three taps at 0, ±a, ±b and infinity, over the product of a point's distances to the
    others: of points whose coefficients are exact in binary these lose least (winograd.cpp)."""
    a, b = 0.75, 1.5
    rows = [[1 / (a * b) ** 2, 0, 0]]
    for point, other in ((a, b), (-a, b), (b, a), (-b, a)):
        distances = 2 * point ** 2 * (point ** 2 - other ** 2)
        rows.append([point ** k / distances for k in range(3)])
    return torch.tensor([*rows, [0, 0, 1]], dtype=torch.float64)


_SAME = _same_matrix()
_UP = torch.tensor([[0, 0, 1], [0.5, 0, 0.5], [-0.5, 0, 0.5], [1, 0, 0], [0, 1, 0]], dtype=torch.float64)


# --- public ----------------------------------------------------------------------------------------------------------

def scaled_conv2d(x: Tensor, w: Tensor, style: Tensor | None = None, scale: Tensor | None = None, up: int = 1,
                  stride: int = 1, padding: Sides = (0, 0, 0, 0)) -> Tensor:
    """scale * conv(style * x, w): correlation of x [N, I, H, W], zero-padded or cropped, with w [O, I, kh, kw].

    `style` [N or 1, I] multiplies input channels, `scale` [N or 1, O] output channels; None is 1. With `up` > 1 every
    sample spreads w instead, `up` apart (unpadded: [N, O, up (H - 1) + kh, ..]). Returns x's dtype. Differentiable in
    all tensors, any order. A module's parameter as w is prepared once, and again when it changes.
    """
    return dispatch.choose("conv2d", x)(x, w, style, scale, up, stride, padding)
