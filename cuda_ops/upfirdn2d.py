"""upfirdn2d: upsample by zero-insertion, pad or crop, FIR filter, keep every n-th sample; and its everyday forms.

Source: StyleGAN2 (Karras et al. 2020) sec. 3 and app. B "FIR filters"; spec "upfirdn2d".
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd
from numbers import Integral

import torch
from torch import Tensor

from cuda_ops import cuda_launch, dispatch, native
from cuda_ops.convolution import Sides, conv2d, conv_transpose2d, pad
from cuda_ops.cuda_launch import Launch

Padding = int | Sequence[int]


def setup_filter(taps, normalize: bool = True) -> Tensor | None:
    """A resampling filter from a list, array or tensor of taps, as float32; None stays None (identity).

    `taps`: [taps], separable, or [fh, fw]. Fewer than 8 separable taps are expanded to the outer product [taps, taps].
    `normalize`: scale the result to sum 1 (unit DC gain). Raises ValueError for other shapes and for taps of sum 0.
    """
    if taps is None:
        return None
    f = torch.as_tensor(taps, dtype=torch.float32)
    if f.ndim not in (1, 2) or f.numel() == 0:
        raise ValueError(f"a filter has shape [taps] or [fh, fw], not {list(f.shape)}")
    if f.ndim == 1 and len(f) < 8:
        f = f.outer(f)
    if not normalize:
        return f
    if f.sum() == 0:
        raise ValueError("taps that sum to 0 cannot be normalised to sum 1")
    return f / f.sum()


# --- arguments -------------------------------------------------------------------------------------------------------

def axis_pair(value: int | Sequence[int], name: str) -> tuple[int, int]:
    """(x, y) from one int for both axes or a pair; every factor is at least 1."""
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2 or not all(isinstance(v, Integral) and v > 0 for v in pair):
        raise ValueError(f"{name} is a positive int or a pair (x, y) of them, not {value}")
    return pair


def four_paddings(padding: Padding) -> Sides:
    """(x0, x1, y0, y1) from an int, [x, y] or [x0, x1, y0, y1]."""
    p = tuple(padding) if isinstance(padding, Sequence) else (padding, padding)
    if len(p) == 2:
        p = (p[0], p[0], p[1], p[1])
    if len(p) != 4 or not all(isinstance(v, Integral) for v in p):
        raise ValueError(f"padding is an int, [x, y] or [x0, x1, y0, y1] in whole pixels, not {padding}")
    return p


def filter_size(f: Tensor | None) -> tuple[int, int]:
    """(width, height) of a filter in taps."""
    return (1, 1) if f is None else (f.shape[-1], f.shape[0])


def check_image(x: Tensor, op: str) -> None:
    if x.ndim != 4:
        raise ValueError(f"{op} takes [N, C, H, W], not a tensor of shape {list(x.shape)}")
    if not x.is_floating_point():
        raise TypeError(f"{op} takes a floating-point tensor, not {x.dtype}")


def check_filter(f: Tensor | None, op: str) -> None:
    if f is None:
        return
    if f.ndim not in (1, 2) or f.numel() == 0:
        raise ValueError(f"{op} takes filters of shape [taps] or [fh, fw], not {list(f.shape)}")
    if f.dtype != torch.float32:
        raise TypeError(f"{op} takes float32 filters, not {f.dtype}")


# --- reference -------------------------------------------------------------------------------------------------------

@dispatch.register("upfirdn2d", "reference")
def _reference(x: Tensor, f: Tensor, up: tuple[int, int], down: tuple[int, int], padding: Sides) -> Tensor:
    """Correlation of the upsampled, padded x [N, C, H, W] with f [fh, fw], at every down-th position.

    Polyphase: inserted zeros are never multiplied and skipped outputs never computed.
    """
    if up == (1, 1):
        return _decimate(x, f, down, padding)
    if down == (1, 1):
        return _interpolate(x, f, up, padding)
    return _resample(x, f, up, down, padding)


def _decimate(x: Tensor, f: Tensor, down: tuple[int, int], padding: Sides) -> Tensor:
    return conv2d(x, _per_channel(f, x), stride=down[::-1], padding=padding, groups=x.shape[1])


def _interpolate(x: Tensor, f: Tensor, up: tuple[int, int], padding: Sides) -> Tensor:
    """A transposed convolution spreads the flipped f from every sample; of its full extent, `crop` is cut away."""
    (fh, fw), (ux, uy), (x0, x1, y0, y1) = f.shape, up, padding
    crop = (fw - 1 - x0, fw - ux - x1, fh - 1 - y0, fh - uy - y1)
    grow = [max(-(c // u), 0) for c, u in zip(crop, (ux, ux, uy, uy))]      # zeros around x where padding wants more
    x0, x1, y0, y1 = (c + g * u for c, g, u in zip(crop, grow, (ux, ux, uy, uy)))
    x = pad(x, grow)
    cx, cy = min(x0, x1, fw - 1), min(y0, y1, fh - 1)
    y = conv_transpose2d(x, _per_channel(f.flip(0, 1), x), stride=(uy, ux), crop=(cy, cx), groups=x.shape[1])
    return y[:, :, y0 - cy:y.shape[2] - (y1 - cy), x0 - cx:y.shape[3] - (x1 - cx)]


def _resample(x: Tensor, f: Tensor, up: tuple[int, int], down: tuple[int, int], padding: Sides) -> Tensor:
    """Up and down at once: each of an axis's up/gcd output phases is a decimation with its own share of the taps."""
    (h, w), (fh, fw), (x0, x1, y0, y1) = x.shape[2:], f.shape, padding
    oh, ow = (h * up[1] + y0 + y1 - fh) // down[1] + 1, (w * up[0] + x0 + x1 - fw) // down[0] + 1
    out = x.new_zeros(*x.shape[:2], oh, ow)
    for ry, ky, top, bottom, dy, uy in _phases(oh, up[1], down[1], y0, fh):
        for rx, kx, left, right, dx, ux in _phases(ow, up[0], down[0], x0, fw):
            taps = f[ky::up[1], kx::up[0]]
            out[:, :, ry::uy, rx::ux] = _decimate(x, taps, (dx, dy), (-left, right - w, -top, bottom - h))
    return out


def _phases(size: int, up: int, down: int, p0: int, taps: int) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Output samples r, r + up/g, .. of one axis (g = gcd(up, down)) meet input samples at the same taps k, k + up, ..

    Yields r, k, the range [start, stop) of input samples they read, and the steps in input and in output.
    """
    step_in, step_out = down // gcd(up, down), up // gcd(up, down)
    for r in range(min(step_out, size)):
        k = (p0 - r * down) % up
        if k < taps:
            start, count = (r * down + k - p0) // up, len(range(r, size, step_out))
            yield r, k, start, start + (count - 1) * step_in + len(range(k, taps, up)), step_in, step_out


def _per_channel(f: Tensor, x: Tensor) -> Tensor:
    return f.expand(x.shape[1], 1, *f.shape)


# --- cpu -------------------------------------------------------------------------------------------------------------

@dispatch.register("upfirdn2d", "cpu", native.why_not)
def _cpu(x: Tensor, f: Tensor, up: tuple[int, int], down: tuple[int, int], padding: Sides) -> Tensor:
    """As `_reference`, in one pass over memory: kernels/fir.h."""
    (n, c, h, w), (fh, fw), (x0, x1, y0, y1) = x.shape, f.shape, padding
    oh, ow = (h * up[1] + y0 + y1 - fh) // down[1] + 1, (w * up[0] + x0 + x1 - fw) // down[0] + 1
    x, f, y = native.channels_last(x), f.float().contiguous(), native.empty_channels_last(x, n, c, oh, ow)
    native.call("upfirdn2d", x, f, y, n, c, h, w, oh, ow, *up[::-1], *down[::-1], y0, x0, fh, fw)
    return y


# --- cuda ------------------------------------------------------------------------------------------------------------

# (up, down, taps) along (x, y) that have a kernel of their own: [1, 3, 3, 1] up, down and at one rate, [1, 2, 1], and
# 12 separable taps.
SPECIALISED = (((2, 2), (1, 1), (4, 4)), ((1, 1), (2, 2), (4, 4)), ((1, 1), (1, 1), (4, 4)), ((1, 1), (1, 1), (3, 3)),
               ((2, 1), (1, 1), (12, 1)), ((1, 2), (1, 1), (1, 12)),
               ((1, 1), (2, 1), (12, 1)), ((1, 1), (1, 2), (1, 12)))


@dispatch.register("upfirdn2d", "cuda", cuda_launch.why_not)
def _cuda(x: Tensor, f: Tensor, up: tuple[int, int], down: tuple[int, int], padding: Sides) -> Tensor:
    """As `_reference`, in one pass over memory: kernels/upfirdn2d.cu. Channels-last stays so, all else becomes NCHW."""
    (n, c, h, w), (fh, fw), (x0, x1, y0, y1) = x.shape, f.shape, padding
    oh, ow = (h * up[1] + y0 + y1 - fh) // down[1] + 1, (w * up[0] + x0 + x1 - fw) // down[0] + 1
    layout = cuda_launch.layout(x)
    x, f = x.contiguous(memory_format=layout), f.float().contiguous()
    y = torch.empty((n, c, oh, ow), dtype=x.dtype, device=x.device, memory_format=layout)
    if layout == torch.contiguous_format:
        n, c = n * c, 1
    launch = _tiled if (up, down, (fw, fh)) in SPECIALISED else _any
    cuda_launch.launch(x, launch(x, f, y, up, down, n, (c, h, w, oh, ow, x0, y0)))
    return y


def _tiled(x: Tensor, f: Tensor, y: Tensor, up: tuple[int, int], down: tuple[int, int], n: int, sizes: tuple) -> Launch:
    channels, *tiles, blocks = fir_tiles(n, sizes[0], *sizes[3:5], up, down)
    numbers = ", ".join(map(str, (*up, *down, *f.shape[::-1], channels)))
    return Launch("upfirdn2d.cu", f"upfirdn2d<{cuda_launch.C_TYPES[x.dtype]}, {numbers}>", (blocks, 1, 1), (256, 1, 1),
                  (x, f, y, *sizes, *tiles))


def fir_tiles(n: int, c: int, oh: int, ow: int, up: tuple[int, int], down: tuple[int, int]) -> tuple[int, ...]:
    """Channels of a tile of kernels/fir.cuh, tiles side by side and above each other, and blocks in all.

    Outputs of a tile: 32 columns of 8 in 8 rows, or 8 columns of 8 in 32 channels, `up` times as wide.
    """
    channels, columns, rows = (1, 32, 8) if c == 1 else (32, 8, 1)
    tiles_x = -(-(ow + up[0] - 1) // (columns * up[0]))         # a tile may begin up - 1 before the first output
    tiles_y = -(-(oh + up[1] - 1) // (rows * 8 // down[1]))
    return channels, tiles_x, tiles_y, n * tiles_y * tiles_x * -(-c // channels)


def _any(x: Tensor, f: Tensor, y: Tensor, up: tuple[int, int], down: tuple[int, int], n: int, sizes: tuple) -> Launch:
    return Launch("upfirdn2d.cu", f"upfirdn2d_any<{cuda_launch.C_TYPES[x.dtype]}>", (-(-y.numel() // 256), 1, 1),
                  (256, 1, 1), (x, f, y, n, *sizes, *up, *down, *f.shape[::-1]))


# --- autograd --------------------------------------------------------------------------------------------------------

class _UpFirDn2d(torch.autograd.Function):
    """One pass with a 2-D filter. Its backward is the same op (spec), so gradients of every order follow."""

    @staticmethod
    def forward(ctx, x: Tensor, f: Tensor, up, down, padding) -> Tensor:
        ctx.save_for_backward(f)
        ctx.size, ctx.up, ctx.down, ctx.padding, ctx.backend = x.shape[2:], up, down, padding, dispatch.current()
        return dispatch.choose("upfirdn2d", x)(x, f, up, down, padding)

    @staticmethod
    def backward(ctx, dy: Tensor):
        f, = ctx.saved_tensors
        (fh, fw), (h, w), (x0, _, y0, _) = f.shape, ctx.size, ctx.padding
        padding = (fw - x0 - 1, w * ctx.up[0] - dy.shape[3] * ctx.down[0] + x0 - ctx.up[0] + 1,
                   fh - y0 - 1, h * ctx.up[1] - dy.shape[2] * ctx.down[1] + y0 - ctx.up[1] + 1)
        with dispatch.use(ctx.backend):              # a device's backward runs in a thread of its own
            dx = _UpFirDn2d.apply(dy, f.flip(0, 1), ctx.down, ctx.up, padding)
        return dx, None, None, None, None


# --- public ----------------------------------------------------------------------------------------------------------

def upfirdn2d(x: Tensor, f: Tensor | None, up: int | Sequence[int] = 1, down: int | Sequence[int] = 1,
              padding: Padding = 0, flip_filter: bool = False, gain: float = 1) -> Tensor:
    """Per channel: insert up-1 zeros after every sample, pad or crop, filter (valid region), keep every down-th sample.

    `x` [N, C, H, W], any float dtype; `f` float32 [fh, fw], [taps] (the same along x, then y) or None (identity).
    `up`, `down`: int or (x, y). `padding`: int, [x, y] or [x0, x1, y0, y1] in pixels of the upsampled image; negative
    crops. `flip_filter` False is convolution, True correlation. `gain` scales the result.
    Returns [N, C, (H*up + y0 + y1 - fh)//down + 1, ..]. Differentiable in x, in any order.
    Raises ValueError or TypeError on other shapes and types and when the filter is larger than the padded image.
    """
    check_image(x, "upfirdn2d")
    check_filter(f, "upfirdn2d")
    up, down, padding = axis_pair(up, "up"), axis_pair(down, "down"), four_paddings(padding)
    fw, fh = filter_size(f)
    padded = x.shape[3] * up[0] + padding[0] + padding[1], x.shape[2] * up[1] + padding[2] + padding[3]
    if padded[0] < fw or padded[1] < fh:
        raise ValueError(f"the upsampled, padded image of {padded[0]}x{padded[1]} is smaller than "
                         f"the filter of {fw}x{fh} taps")
    if f is None:
        f = torch.ones(1, 1, device=x.device)
    f = (f * gain ** (f.ndim / 2)).to(x.dtype)
    if not flip_filter:
        f = f.flip(tuple(range(f.ndim)))
    if f.ndim == 2:
        return _UpFirDn2d.apply(x, f, up, down, padding)
    x = _UpFirDn2d.apply(x, f[None, :], (up[0], 1), (down[0], 1), (*padding[:2], 0, 0))
    return _UpFirDn2d.apply(x, f[:, None], (1, up[1]), (1, down[1]), (0, 0, *padding[2:]))


def upsample2d(x: Tensor, f: Tensor | None, up: int | Sequence[int] = 2, padding: Padding = 0,
               flip_filter: bool = False, gain: float = 1) -> Tensor:
    """x [N, C, H, W] enlarged to [N, C, H*up, W*up]; `padding` comes on top. Otherwise as `upfirdn2d`."""
    ux, uy = axis_pair(up, "up")
    padding = add_paddings(padding, up_padding(f, (ux, uy)))
    return upfirdn2d(x, f, up=(ux, uy), padding=padding, flip_filter=flip_filter, gain=gain * ux * uy)


def downsample2d(x: Tensor, f: Tensor | None, down: int | Sequence[int] = 2, padding: Padding = 0,
                 flip_filter: bool = False, gain: float = 1) -> Tensor:
    """x [N, C, H, W] reduced to [N, C, H/down, W/down]; `padding` comes on top. Otherwise as `upfirdn2d`."""
    pair = axis_pair(down, "down")
    padding = add_paddings(padding, down_padding(f, pair))
    return upfirdn2d(x, f, down=pair, padding=padding, flip_filter=flip_filter, gain=gain)


def filter2d(x: Tensor, f: Tensor | None, padding: Padding = 0, flip_filter: bool = False, gain: float = 1) -> Tensor:
    """x [N, C, H, W] filtered at its own size; `padding` comes on top. Otherwise as `upfirdn2d`."""
    fw, fh = filter_size(f)
    padding = add_paddings(padding, (fw // 2, (fw - 1) // 2, fh // 2, (fh - 1) // 2))
    return upfirdn2d(x, f, padding=padding, flip_filter=flip_filter, gain=gain)


def up_padding(f: Tensor | None, up: tuple[int, int]) -> Sides:
    """The padding that centres `f` in upsampling by `up`, so that the size becomes exactly size * up."""
    (fw, fh), (ux, uy) = filter_size(f), up
    return (fw + ux - 1) // 2, (fw - ux) // 2, (fh + uy - 1) // 2, (fh - uy) // 2


def down_padding(f: Tensor | None, down: tuple[int, int]) -> Sides:
    """The padding that centres `f` in downsampling by `down`, so that the size becomes size / down."""
    (fw, fh), (dx, dy) = filter_size(f), down
    return (fw - dx + 1) // 2, (fw - dx) // 2, (fh - dy + 1) // 2, (fh - dy) // 2


def add_paddings(a: Padding, b: Padding) -> Sides:
    return tuple(p + q for p, q in zip(four_paddings(a), four_paddings(b)))
