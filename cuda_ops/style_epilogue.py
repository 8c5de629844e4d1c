"""style_epilogue: noise, bias, activation, instance norm and style, after the smoothing of enlarged images.

Source: StyleGAN1 (Karras et al. 2019) fig. 1b, eq. 1 (AdaIN); networks.md "StyleGAN1".
"""
from __future__ import annotations

import torch
from torch import Tensor

from cuda_ops import cuda_launch, dispatch, native
from cuda_ops.bias_act import ACTIVATIONS, bias_act
from cuda_ops.cuda_launch import Launch
from cuda_ops.upfirdn2d import check_image, filter2d, upfirdn2d

EPSILON = 1e-8                                       # of the variance
SLOPES = {"linear": 1.0, "relu": 0.0, "lrelu": ACTIVATIONS["lrelu"].alpha}    # below 0, of what is fused


# --- steps -----------------------------------------------------------------------------------------------------------

def enlarged_convolution(x: Tensor, blur: Tensor | None = None) -> Tensor:
    """x [N, C, 2H+1, 2W+1], a transposed convolution of stride 2 with k = 3, to what the convolution gives of the image
    repeated twice along each axis, zero-padded, then filtered with `blur` [taps]: [N, C, 2H, 2W]."""
    return filter2d(upfirdn2d(x, torch.ones(2, device=x.device)), blur)


def add_noise(x: Tensor, noise: Tensor | None, strength: Tensor | None) -> Tensor:
    """x [N, C, H, W] + noise [1 or N, 1, H, W] * strength [C]; x without noise."""
    return x if noise is None else x + (noise * strength[:, None, None]).to(x.dtype)


def instance_norm(x: Tensor) -> Tensor:
    """(x - mean) / sqrt(var + epsilon) per sample and channel of x [N, C, H, W], in at least float32."""
    y = x.to(torch.promote_types(x.dtype, torch.float32))
    var, mean = torch.var_mean(y, dim=(2, 3), correction=0, keepdim=True)
    return ((y - mean) * (var + EPSILON).rsqrt()).to(x.dtype)


def apply_style(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """x [N, C, H, W] * (scale + 1) + shift, both [N, C]."""
    return x * (scale.to(x.dtype)[:, :, None, None] + 1) + shift.to(x.dtype)[:, :, None, None]


# --- reference -------------------------------------------------------------------------------------------------------

@dispatch.register("style_epilogue", "reference")
def _reference(x: Tensor, noise: Tensor | None, strength: Tensor | None, b: Tensor, act: str, scale: Tensor | None,
               shift: Tensor | None, gain: float, is_enlarged: bool, blur: Tensor | None, overwrite: bool,
               ) -> Tensor:
    if is_enlarged:
        x = enlarged_convolution(x, blur)
    x = add_noise(x * gain if gain != 1 else x, noise, strength)
    x = instance_norm(bias_act(x, b.to(x.dtype), act=act, gain=1))
    return x if scale is None else apply_style(x, scale, shift)


# --- cpu -------------------------------------------------------------------------------------------------------------

@dispatch.register("style_epilogue", "cpu", native.why_not)
def _cpu(x: Tensor, noise: Tensor | None, strength: Tensor | None, b: Tensor, act: str, scale: Tensor | None,
         shift: Tensor | None, gain: float, is_enlarged: bool, blur: Tensor | None, overwrite: bool) -> Tensor:
    """As `_reference`, in two passes over memory: kernels/style_epilogue.cpp."""
    (n, c, h, w), rows, columns, before, taps = x.shape, None, None, 0, 0
    oh, ow = (h - 1, w - 1) if is_enlarged else (h, w)
    if is_enlarged:
        rows, columns = smoothing_taps(blur, oh), smoothing_taps(blur, ow)
        before, taps = (rows.shape[1] - 1) // 2, rows.shape[1]
    noise_step = oh * ow if noise is not None and len(noise) > 1 else 0
    given = [None if t is None else t.float().contiguous() for t in (noise, strength, b, scale, shift, rows, columns)]
    x = native.channels_last(x)
    y = x if overwrite and not is_enlarged else native.empty_channels_last(x, n, c, oh, ow)
    native.call("style_epilogue", x, y, *given, taps, before, n, c, h, w, oh, ow, noise_step, float(gain), SLOPES[act])
    return y


def smoothing_taps(blur: Tensor | None, size: int) -> Tensor:
    """`enlarged_convolution` along one axis as one filter: [size, taps + 1], of output o those that meet samples
    o - taps // 2, ..

    The pair of samples beside each other and the blur make one filter, but near the edges, where the blur meets zeros
    and not the sums of pairs that reach out of the image.
    """
    taps = torch.ones(1) if blur is None else blur.flip(0)
    met = torch.arange(size)[:, None] + torch.arange(len(taps)) - len(taps) // 2
    taps = taps * ((met >= 0) & (met < size))
    return torch.nn.functional.pad(taps, (0, 1)) + torch.nn.functional.pad(taps, (1, 0))


# --- cuda ------------------------------------------------------------------------------------------------------------

@dispatch.register("style_epilogue", "cuda", cuda_launch.why_not)
def _cuda(x: Tensor, noise: Tensor | None, strength: Tensor | None, b: Tensor, act: str, scale: Tensor | None,
          shift: Tensor | None, gain: float, is_enlarged: bool, blur: Tensor | None, overwrite: bool) -> Tensor:
    """As `_reference`, in two passes over memory: kernels/style_epilogue.cu. A blur not of 3 taps takes its own."""
    if is_enlarged and (blur is None or len(blur) != 3):
        x, is_enlarged, overwrite = enlarged_convolution(x, blur), False, True
    layout = cuda_launch.layout(x)
    x, (n, c, h, w) = x.contiguous(memory_format=layout), x.shape
    oh, ow = h - is_enlarged, w - is_enlarged
    y = x
    if is_enlarged or not overwrite:
        y = torch.empty((n, c, oh, ow), dtype=x.dtype, device=x.device, memory_format=layout)
    blur = blur.flip(0) if is_enlarged else None
    noise_step = oh * ow if noise is not None and len(noise) > 1 else 0
    given = [None if t is None else t.float().contiguous() for t in (noise, strength, b, blur)]
    scale, shift = (None if t is None else t.float().contiguous() for t in (scale, shift))
    images, channels, wide = (n * c, 1, 1) if layout == torch.contiguous_format else (n, c, 16)

    name, lanes = cuda_launch.C_TYPES[x.dtype], 256 // wide
    tile_w = min(lanes, 1 << (ow - 1).bit_length())
    tiles = tile_w, -(-ow // tile_w), -(-oh // (lanes // tile_w * 16))
    moments, factors = (x.new_empty(n * c, k, 2, dtype=torch.float32) for k in (tiles[1] * tiles[2], 1))
    blocks = images * tiles[1] * tiles[2] * -(-channels // wide)
    _launch(x, f"style_act<{name}, {wide}, {str(is_enlarged).lower()}>", blocks,
            (x, y, moments, *given, c, channels, oh, ow, noise_step, *tiles, float(gain), float(SLOPES[act])))
    _launch(x, f"style_factors<{wide}>", n * c, (moments, scale, factors, oh, ow, *tiles))
    _launch(x, f"style_apply<{name}>", -(-y.numel() * y.element_size() // (16 * 256)),
            (y, factors, shift, images, oh * ow, channels))
    return y


def _launch(x: Tensor, kernel: str, blocks: int, arguments: tuple) -> None:
    cuda_launch.launch(x, Launch("style_epilogue.cu", kernel, (blocks, 1, 1), (256, 1, 1), arguments))


# --- public ----------------------------------------------------------------------------------------------------------

def style_epilogue(x: Tensor, noise: Tensor | None, strength: Tensor | None, b: Tensor, act: str = "lrelu",
                   scale: Tensor | None = None, shift: Tensor | None = None, gain: float = 1,
                   is_enlarged: bool = False, blur: Tensor | None = None, overwrite: bool = False) -> Tensor:
    """instance_norm(act(x * gain + noise * strength + b)) * (scale + 1) + shift.

    `x` [N, C, H, W], any float dtype; `noise` [1 or N, 1, H, W] with `strength` [C], or None; `b` [C]; `act`: a key of
    ACTIVATIONS, with gain 1; `scale`, `shift` [N, C] or both None: no style. `is_enlarged`: x is [N, C, H+1, W+1], H
    and W even, and `enlarged_convolution` with `blur` (float32 [taps] or None) comes first.
    `overwrite`: x is nobody else's, its memory may take the result: fresh memory costs a CPU as much as a pass over it.
    Returns [N, C, H, W] in x's dtype. Differentiable in all but `blur`, any order: while gradients are recorded, and
    for activations without a fused form, the public ops run one after the other. Raises ValueError or TypeError on
    shapes and types that don't fit.
    """
    _check(x, noise, strength, b, act, scale, shift, is_enlarged, blur)
    given = (x, noise, strength, b, act, scale, shift, gain, is_enlarged, blur, overwrite)
    needs_steps = act not in SLOPES or _is_recorded(x, strength, b, scale, shift, noise)
    return _reference(*given) if needs_steps else dispatch.choose("style_epilogue", x)(*given)


def _is_recorded(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def _check(x: Tensor, noise: Tensor | None, strength: Tensor | None, b: Tensor, act: str, scale: Tensor | None,
           shift: Tensor | None, is_enlarged: bool, blur: Tensor | None) -> None:
    check_image(x, "style_epilogue")
    (n, c, h, w), odd = x.shape, int(is_enlarged)
    if act not in ACTIVATIONS:
        raise ValueError(f"activation '{act}' is not one of {', '.join(ACTIVATIONS)}")
    if is_enlarged and (h % 2 == 0 or w % 2 == 0 or min(h, w) < 3):
        raise ValueError(f"an enlarged image has odd sides of at least 3 before its smoothing, not {w}x{h}")
    if blur is not None and (blur.ndim != 1 or blur.dtype != torch.float32):
        raise TypeError(f"style_epilogue blurs with float32 [taps], not {blur.dtype} {list(blur.shape)}")
    if noise is not None and (strength is None or noise.shape[0] not in (1, n)
                              or noise.shape[1:] != (1, h - odd, w - odd)):
        raise ValueError(f"noise of shape {list(noise.shape)} does not fit: style_epilogue takes "
                         f"[1 or {n}, 1, {h - odd}, {w - odd}] and its strength")
    if (scale is None) != (shift is None):
        raise ValueError("a style is a scale and a shift")
    for name, value, shape in (("strength", strength, (c,)), ("b", b, (c,)), ("scale", scale, (n, c)),
                               ("shift", shift, (n, c))):
        if value is not None and value.shape != shape:
            raise ValueError(f"{name} of shape {list(value.shape)} does not fit: style_epilogue takes {list(shape)}")
