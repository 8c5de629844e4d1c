"""filtered_lrelu: bias, upsample, leaky ReLU, downsample; the alias-free nonlinearity of StyleGAN3.

Source: StyleGAN3 (Karras et al. 2021) sec. 3.1 and fig. 4b; spec "filtered_lrelu".
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from cuda_ops import cuda_launch, dispatch, native
from cuda_ops.bias_act import bias_act
from cuda_ops.convolution import Sides
from cuda_ops.upfirdn2d import Padding, axis_pair, check_filter, check_image, filter_size, four_paddings, upfirdn2d

Pair = tuple[int, int]


# --- reference -------------------------------------------------------------------------------------------------------

def filtered_lrelu_steps(x: Tensor, fu: Tensor | None = None, fd: Tensor | None = None, b: Tensor | None = None,
                         up: int | Sequence[int] = 1, down: int | Sequence[int] = 1, padding: Padding = 0,
                         gain: float = sqrt(2), slope: float = 0.2, clamp: float | None = None,
                         flip_filter: bool = False) -> tuple[Tensor, Tensor]:
    """What `filtered_lrelu` never holds as a whole; always the reference. Arguments as there.

    Returns (up, act): the upsampled signal with its bias, before the gain; and after leaky ReLU, gain and clamp.
    """
    ux, uy = axis_pair(up, "up")
    with dispatch.use("reference"):
        high = upfirdn2d(bias_act(x, b), fu, up=up, padding=padding, flip_filter=flip_filter, gain=ux * uy)
        return high, bias_act(high, act="lrelu", alpha=slope, gain=gain, clamp=clamp)


@dispatch.register("filtered_lrelu", "reference")
def _reference(x: Tensor, fu: Tensor | None, fd: Tensor | None, b: Tensor | None, *args) -> Tensor:
    """Without gradients to record, a group of channels at a time: the upsampled signal is many times x, and it is never
    held as a whole."""
    groups = _group_count(x, args[0])
    if _records(x, b) or groups == 1:
        return _by_steps(x, fu, fd, b, *args)
    biases = [None] * groups if b is None else b.tensor_split(groups)
    results = [_by_steps(part, fu, fd, bias, *args) for part, bias in zip(x.tensor_split(groups, dim=1), biases)]
    return torch.cat(results, dim=1)


def _by_steps(x: Tensor, fu: Tensor | None, fd: Tensor | None, b: Tensor | None, up, down, padding, gain, slope, clamp,
              flip_filter) -> Tensor:
    _, act = filtered_lrelu_steps(x, fu, fd, b, up, down, padding, gain, slope, clamp, flip_filter)
    with dispatch.use("reference"):
        return upfirdn2d(act, fd, down=down, flip_filter=flip_filter)


def _group_count(x: Tensor, up: int | Sequence[int]) -> int:
    """So many that each upsamples to some 8 million samples, yet has 16 channels, a vector's width, or more."""
    ux, uy = axis_pair(up, "up")
    return max(1, min(x.shape[1] // 16, x.numel() * ux * uy // 2 ** 23))


def _records(x: Tensor, b: Tensor | None) -> bool:
    return torch.is_grad_enabled() and (x.requires_grad or b is not None and b.requires_grad)


# --- what the fused ones share ---------------------------------------------------------------------------------------

class Plan(NamedTuple):
    """One fused pass, but for its tensors. Pairs are (x, y).

    Its filters are taps for correlation, [taps] (separable) or [fh, fw], `fu` with the gain up² in it.
    `origin`: the stored state of the upsampled sample (0, 0). The first stored column is the first to meet the same
    samples of x as column 0.
    """
    up: Pair
    down: Pair
    padding: Sides
    gain: float
    slope: float
    clamp: float                         # inf: none
    origin: Pair

    def transposed(self, x: Tensor, y: Tensor, fu: Tensor, fd: Tensor) -> Plan:
        """Of the pass that takes the gradient of y to that of x, its filters being fd, fu flipped (spec)."""
        (x0, _, y0, _), (ux, uy), (dx, dy) = self.padding, self.up, self.down
        (fuw, fuh), (fdw, fdh) = filter_size(fu), filter_size(fd)
        padding = (fuw + fdw - 2 - x0, x.shape[3] * ux - y.shape[3] * dx + x0 - ux + 1,
                   fuh + fdh - 2 - y0, x.shape[2] * uy - y.shape[2] * dy + y0 - uy + 1)
        origin = self.origin[0] + x0 - fuw + 1, self.origin[1] + y0 - fuh + 1
        return self._replace(up=self.down, down=self.up, padding=padding, origin=origin)


# x, bias, fu, fd, plan, states to use in place of the activation's own, whether to return them -> y, states
Pass = Callable[[Tensor, Tensor | None, Tensor, Tensor, Plan, Tensor | None, bool], tuple[Tensor, Tensor | None]]


def _run_fused(run: Pass, x: Tensor, fu: Tensor | None, fd: Tensor | None, b: Tensor | None, up: Pair, down: Pair,
               padding: Sides, gain: float, slope: float, clamp: float | None, flip_filter: bool) -> Tensor:
    """The arguments as a plan; through autograd only where gradients are recorded."""
    if fu is None and fd is None and up == down == (1, 1) and not any(padding):
        return bias_act(x, b, act="lrelu", alpha=slope, gain=gain, clamp=clamp)
    fu, fd = (torch.ones(1, device=x.device) if f is None else f for f in (fu, fd))
    fu = fu * (up[0] * up[1]) ** (fu.ndim / 2)
    if not flip_filter:
        fu, fd = _flipped(fu), _flipped(fd)
    origin = (-padding[0] - 1) % up[0], 0
    plan = Plan(up, down, padding, gain, slope, inf if clamp is None else clamp, origin)
    if _records(x, b):
        return _FilteredLrelu.apply(x, b, fu, fd, plan, None, run)
    return run(x, b, fu, fd, plan, None, False)[0]


def _flipped(f: Tensor) -> Tensor:
    return f.flip(tuple(range(f.ndim)))


def _out_size(x: Tensor, fu: Tensor | None, fd: Tensor | None, up: Pair, down: Pair, padding: Sides) -> Pair:
    """(width, height) of the result. Raises ValueError where a filter is larger than what it is to filter."""
    sizes = zip((x.shape[3], x.shape[2]), up, down, padding[::2], padding[1::2], filter_size(fu), filter_size(fd))
    out = tuple((n * u + p0 + p1 - (tu - 1) - (td - 1) + d - 1) // d for n, u, d, p0, p1, tu, td in sizes)
    if min(out) < 1:
        raise ValueError(f"an image of {x.shape[3]}x{x.shape[2]} pixels, upsampled by {up} and padded by {padding}, is "
                         f"smaller than the filter")
    return out


# --- cpu -------------------------------------------------------------------------------------------------------------

@dispatch.register("filtered_lrelu", "cpu", native.why_not)
def _cpu(x: Tensor, *args) -> Tensor:
    return _run_fused(_cpu_pass, x, *args)


def _cpu_pass(x: Tensor, b: Tensor | None, fu: Tensor, fd: Tensor, plan: Plan, states: Tensor | None,
              record: bool) -> tuple[Tensor, Tensor | None]:
    """kernels/filtered_lrelu.cpp. A state takes two bits; [N, C/16, h, w/16, 16] are words of 16 columns, of 16
    channels each."""
    (n, c, h, w), (fuw, fuh), (fdw, fdh) = x.shape, filter_size(fu), filter_size(fd)
    out_w, out_h = _out_size(x, fu, fd, plan.up, plan.down, plan.padding)
    if record:
        columns, rows = plan.origin[0] + (out_w - 1) * plan.down[0] + fdw, (out_h - 1) * plan.down[1] + fdh
        states = torch.empty(n, -(-c // 16), rows, -(-columns // 16), 16, dtype=torch.int32)
    mode = 1 if record else 0 if states is None else 2
    geometry = torch.tensor([
        n, c, h, w, out_h, out_w, *plan.up, *plan.down, plan.padding[0], plan.padding[2], fuw, fuh, fu.ndim == 1,
        fdw, fdh, fd.ndim == 1, mode, *((0, 0) if states is None else states.shape[2:4]), *plan.origin])
    b = None if b is None else b.float().contiguous()
    x, fu, fd = native.channels_last(x), fu.contiguous(), fd.contiguous()
    y = native.empty_channels_last(x, n, c, out_h, out_w)
    native.call("filtered_lrelu", x, y, b, fu, fd, states, geometry, *map(float, (plan.gain, plan.slope, plan.clamp)))
    return y, states


# --- cuda ------------------------------------------------------------------------------------------------------------

@dispatch.register("filtered_lrelu", "cuda", cuda_launch.why_not)
def _cuda(x: Tensor, *args) -> Tensor:
    return _run_fused(_cuda_pass, x, *args)


def _cuda_pass(x: Tensor, b: Tensor | None, fu: Tensor, fd: Tensor, plan: Plan, states: Tensor | None,
               record: bool) -> tuple[Tensor, Tensor | None]:
    """kernels/filtered_lrelu.cu: planes [H, W] one after another, in and out. A state takes two bits; [N, C, h/16, w]
    are words of 16 rows."""
    (n, c, h, w), (fdw, fdh) = x.shape, filter_size(fd)
    ow, oh = _out_size(x, fu, fd, plan.up, plan.down, plan.padding)
    if record:
        columns, rows = plan.origin[0] + (ow - 1) * plan.down[0] + fdw, (oh - 1) * plan.down[1] + fdh
        states = torch.empty(n, c, -(-rows // 16), columns, dtype=torch.int32, device=x.device)
    mode = "WRITE" if record else "NONE" if states is None else "READ"
    tile = _specialised_tile(plan, fu, fd) or _any_tile(plan, fu, fd)
    tiles = -(-ow // tile.width), -(-oh // tile.height)
    y = x.new_empty(n, c, oh, ow)
    b = None if b is None else b.float().contiguous()
    common = (x.contiguous(), tile.fu.contiguous(), tile.fd.contiguous(), b, y, states, c, h, w, oh, ow,
              plan.padding[0], plan.padding[2], *tiles, *((0, 0) if states is None else states.shape[2:]), *plan.origin,
              float(plan.gain), float(plan.slope), float(plan.clamp))
    kernel = tile.kernel.format(type=cuda_launch.C_TYPES[x.dtype], states=mode)
    cuda_launch.launch(x, cuda_launch.Launch("filtered_lrelu.cu", kernel, (n * c * tiles[0] * tiles[1], 1, 1),
                                             (THREADS, 1, 1), common + tile.arguments, tile.shared_bytes))
    return y, states


THREADS = 128                            # as in the kernels


class _Tile(NamedTuple):
    """The kernel that is to run, the outputs of one of its blocks, and what it takes beyond what all take."""
    kernel: str                          # with places for type and states
    width: int
    height: int
    fu: Tensor
    fd: Tensor
    arguments: tuple[int, ...] = ()
    shared_bytes: int = 0


# Of configs T and R and of their gradients: up, down, whether the filters are 2-D -> rows of a tile's upsampled signal.
# Up to 8 taps a phase it takes 22 to 45 KB of shared memory; with 6, two blocks share 64 KB (compute capability 7.5).
SPECIALISED = {(2, 2, False, False): 48, (4, 2, False, False): 48, (2, 4, False, False): 48,
               (2, 2, False, True): 32, (4, 2, False, True): 32, (2, 2, True, False): 32, (2, 4, True, False): 32}


def _specialised_tile(plan: Plan, fu: Tensor, fd: Tensor) -> _Tile | None:
    """For the same factors and taps in x and y, as many taps in every phase."""
    (up, down), (tu, td) = (plan.up[0], plan.down[0]), (fu.shape[-1], fd.shape[-1])
    rows = SPECIALISED.get((up, down, fu.ndim == 2, fd.ndim == 2))
    is_square = plan.up == (up, up) and plan.down == (down, down) and {*fu.shape} == {tu} and {*fd.shape} == {td}
    if rows is None or not is_square or tu % up or td % down or tu > 8 * up or td > 8 * down:
        return None
    flags = [str(f.ndim == 2).lower() for f in (fu, fd)]
    phases = plan.padding[0] % up, plan.padding[2] % up
    numbers = ", ".join(map(str, (up, down, tu, td, *phases, *flags, rows)))
    width = (THREADS - td + down) // down // 8 * 8
    return _Tile(f"filtered_lrelu<{{type}}, {numbers}, {{states}}>", width, rows // down, fu, fd)


def _any_tile(plan: Plan, fu: Tensor, fd: Tensor) -> _Tile:
    """16 rows of outputs; as many columns as fit. Raises BackendError for a filter too large for any."""
    fu, fd = (f.outer(f) if f.ndim == 1 else f for f in (fu, fd))
    (fuh, fuw), (fdh, fdw) = fu.shape, fd.shape
    for width in (16, 8, 4, 2, 1):
        shared_bytes = 4 * ((width - 1) * plan.down[0] + fdw) * (15 * plan.down[1] + fdh)
        if shared_bytes <= 65536:
            return _Tile("filtered_lrelu_any<{type}, {states}>", width, 16, fu, fd,
                         (*plan.up, *plan.down, fuw, fuh, fdw, fdh, width, 16), shared_bytes)
    raise dispatch.BackendError(f"filtered_lrelu's CUDA kernels take no down filter of {fdw}x{fdh} taps")


# --- autograd --------------------------------------------------------------------------------------------------------

class _FilteredLrelu(torch.autograd.Function):
    """A fused pass. Where each sample's state is known it is linear in x, and its backward is such a pass (spec). The
    bias comes along through all of them, so that its higher gradients are 0 and not missing: an optimiser minds."""

    @staticmethod
    def forward(ctx, x: Tensor, b: Tensor | None, fu: Tensor, fd: Tensor, plan: Plan, states: Tensor | None, run: Pass):
        ctx.linear = states is not None
        y, states = run(x, None if ctx.linear else b, fu, fd, plan, states, not ctx.linear)
        ctx.save_for_backward(b, fu, fd, states)
        ctx.plan, ctx.run = plan.transposed(x, y, fu, fd), run
        return y

    @staticmethod
    def backward(ctx, dy: Tensor):
        b, fu, fd, states = ctx.saved_tensors
        dx = _FilteredLrelu.apply(dy, b, _flipped(fd), _flipped(fu), ctx.plan, states, ctx.run)
        if not ctx.needs_input_grad[1]:
            db = None
        else:
            db = torch.zeros_like(b) if ctx.linear else dx.sum((0, 2, 3)).to(b.dtype)
        return dx, db, None, None, None, None, None


# --- public ----------------------------------------------------------------------------------------------------------

def filtered_lrelu(x: Tensor, fu: Tensor | None = None, fd: Tensor | None = None, b: Tensor | None = None,
                   up: int | Sequence[int] = 1, down: int | Sequence[int] = 1, padding: Padding = 0,
                   gain: float = sqrt(2), slope: float = 0.2, clamp: float | None = None,
                   flip_filter: bool = False) -> Tensor:
    """Bias, upsample with `fu` (gain up²), times `gain`, leaky ReLU, clamp to ±clamp, downsample with `fd`.

    `x` [N, C, H, W], any float dtype; `fu`, `fd` float32 [taps], [fh, fw] or None (identity); `b` [C] or None.
    `up`, `down`, `padding` (of the upsampled signal), `flip_filter`: as in `upfirdn2d`.
    Returns [N, C, (H*up + y0 + y1 - (fu - 1) - (fd - 1) + (down - 1)) // down, ..]. Differentiable in x and b, in any
    order.
    Raises ValueError or TypeError as `upfirdn2d` and `bias_act` do.
    """
    check_image(x, "filtered_lrelu")
    check_filter(fu, "filtered_lrelu")
    check_filter(fd, "filtered_lrelu")
    if b is not None and b.shape != (x.shape[1],):
        raise ValueError(f"a bias of shape {list(b.shape)} does not fit {x.shape[1]} channels")
    if clamp is not None and clamp < 0:
        raise ValueError(f"clamp is at least 0, not {clamp}")
    up, down, padding = axis_pair(up, "up"), axis_pair(down, "down"), four_paddings(padding)
    _out_size(x, fu, fd, up, down, padding)
    run = dispatch.choose("filtered_lrelu", x)
    return run(x, fu, fd, b, up, down, padding, gain, slope, clamp, flip_filter)

