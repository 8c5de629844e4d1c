"""bias_act: add a bias, apply an activation, scale, clamp. Spec "bias_act"."""
from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from cuda_ops import cuda_launch, dispatch, native
from cuda_ops.cuda_launch import Launch


class Activation(NamedTuple):
    """function(x, alpha, inplace), with the alpha and gain used when none is given; `inplace` lets it overwrite x."""
    function: Callable[[Tensor, float, bool], Tensor]
    alpha: float
    gain: float


ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(lambda x, alpha, inplace: x, 0, 1),
    "relu": Activation(lambda x, alpha, inplace: F.relu(x, inplace), 0, sqrt(2)),
    "lrelu": Activation(lambda x, alpha, inplace: F.leaky_relu(x, alpha, inplace), 0.2, sqrt(2)),
    "tanh": Activation(lambda x, alpha, inplace: torch.tanh(x), 0, 1),
    "sigmoid": Activation(lambda x, alpha, inplace: torch.sigmoid(x), 0, 1),
    "elu": Activation(lambda x, alpha, inplace: F.elu(x), 0, 1),
    "selu": Activation(lambda x, alpha, inplace: F.selu(x), 0, 1),
    "softplus": Activation(lambda x, alpha, inplace: F.softplus(x), 0, 1),
    "swish": Activation(lambda x, alpha, inplace: x * torch.sigmoid(x), 0, sqrt(2)),
}


# --- reference -------------------------------------------------------------------------------------------------------

@dispatch.register("bias_act", "reference")
def _reference(x: Tensor, b: Tensor | None, dim: int, act: str, alpha: float, gain: float,
               clamp: float | None) -> Tensor:
    """Without gradients to record, steps after the first overwrite its result: fresh memory is what costs time here."""
    def ours(y: Tensor) -> bool:
        return y is not x and not y.requires_grad

    y = _biased(x, b, dim)
    y = ACTIVATIONS[act].function(y, alpha, ours(y))
    if gain != 1:
        y = y.mul_(gain) if ours(y) else y * gain
    if clamp is not None:
        y = y.clamp_(-clamp, clamp) if ours(y) else y.clamp(-clamp, clamp)
    return y


def _biased(x: Tensor, b: Tensor | None, dim: int) -> Tensor:
    return x if b is None else x + b.to(x.dtype).reshape([-1 if i == dim else 1 for i in range(x.ndim)])


@dispatch.register("bias_act_grad", "reference")
def _reference_grad(dy: Tensor, x: Tensor, b: Tensor | None, dim: int, alpha: float, gain: float,
                    clamp: float | None) -> Tensor:
    x = _biased(x, b, dim)
    slope = torch.where(x > 0, x.new_tensor(gain), gain * alpha)         # two numbers alone would be float32
    dx = dy * slope
    return dx if clamp is None else dx.masked_fill_((x * slope).abs() > clamp, 0)


# --- cpu -------------------------------------------------------------------------------------------------------------

# Activation: what kernels/bias_act.cpp calls it, its alpha (None: the caller's) and its scale.
_NATIVE = {"linear": (0, 1, 1), "lrelu": (0, None, 1), "relu": (1, 0, 1), "tanh": (2, 0, 1), "sigmoid": (3, 0, 1),
           "elu": (4, 1, 1), "selu": (4, 1.6732632423543772, 1.0507009873554805), "softplus": (5, 0, 1),
           "swish": (6, 0, 1)}


@dispatch.register("bias_act", "cpu", native.why_not)
def _cpu(x: Tensor, b: Tensor | None, dim: int, act: str, alpha: float, gain: float, clamp: float | None) -> Tensor:
    if act == "linear" and b is None and gain == 1 and clamp is None:
        return x
    number, fixed_alpha, scale = _NATIVE[act]
    x = _dense(x)
    y = torch.empty_like(x)
    b, places = _native_bias(b, x, dim)
    native.call("bias_act", x, b, y, *places, number, float(alpha if fixed_alpha is None else fixed_alpha),
                float(scale), float(gain), _limit(clamp))
    return y


@dispatch.register("bias_act_grad", "cpu", native.why_not)
def _cpu_grad(dy: Tensor, x: Tensor, b: Tensor | None, dim: int, alpha: float, gain: float,
              clamp: float | None) -> Tensor:
    x = _dense(x)
    dy = dy if dy.stride() == x.stride() else torch.empty_like(x).copy_(dy)
    dx = torch.empty_like(x)
    b, places = _native_bias(b, x, dim)
    native.call("bias_act_slope", x, b, dy, dx, *places, float(alpha), float(gain), _limit(clamp))
    return dx


def _dense(x: Tensor) -> Tensor:
    """x with its numbers next to one another in memory, channels-last or in the order of its axes."""
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return x if last else x.contiguous()


def _native_bias(b: Tensor | None, x: Tensor, dim: int) -> tuple[Tensor | None, tuple[int, int, int]]:
    """b in float32, rounded to x's type as the reference does; and x's numbers, channels and numbers that share one."""
    if b is None:
        return None, (x.numel(), 1, 1)
    b, inner = b.to(x.dtype).float().contiguous(), x.stride(dim)
    if 1 < inner < 64:                   # planes of few vectors: each number gets its own
        b, inner = b.repeat_interleave(inner), 1
    return b, (x.numel(), len(b), inner)


def _limit(clamp: float | None) -> float:
    return inf if clamp is None else float(clamp)


# --- cuda ------------------------------------------------------------------------------------------------------------

@dispatch.register("bias_act", "cuda", cuda_launch.why_not)
def _cuda(x: Tensor, b: Tensor | None, dim: int, act: str, alpha: float, gain: float, clamp: float | None) -> Tensor:
    x = _dense(x)
    y = torch.empty_like(x)
    kernel = f"bias_act<{cuda_launch.C_TYPES[x.dtype]}, act::{act}>"
    _launch(kernel, (x, _float32(b), y), b, dim, (float(alpha), float(gain), _limit(clamp)))
    return y


@dispatch.register("bias_act_grad", "cuda", cuda_launch.why_not)
def _cuda_grad(dy: Tensor, x: Tensor, b: Tensor | None, dim: int, alpha: float, gain: float,
               clamp: float | None) -> Tensor:
    x = _dense(x)
    dy = dy if dy.stride() == x.stride() else torch.empty_like(x).copy_(dy)
    dx = torch.empty_like(x)
    kernel = f"bias_act_slope<{cuda_launch.C_TYPES[x.dtype]}>"
    _launch(kernel, (x, _float32(b), dy, dx), b, dim, (float(alpha), float(gain), _limit(clamp)))
    return dx


def _launch(kernel: str, tensors: tuple[Tensor | None, ...], b: Tensor | None, dim: int, settings: tuple) -> None:
    """A thread for every 16 bytes of the first tensor, whose memory is [outer, channels, inner]."""
    x = tensors[0]
    channels, inner = (1, x.shape[-1] if x.ndim else 1) if b is None or len(b) == 1 else (len(b), x.stride(dim))
    sizes = x.numel() // max(channels * inner, 1), channels, inner
    blocks = -(-x.numel() * x.element_size() // (16 * 256))
    cuda_launch.launch(x, Launch("bias_act.cu", kernel, (blocks, 1, 1), (256, 1, 1), (*tensors, *sizes, *settings)))


def _float32(b: Tensor | None) -> Tensor | None:
    return None if b is None else b.float().contiguous()


# --- autograd --------------------------------------------------------------------------------------------------------

class _BiasAct(torch.autograd.Function):
    """Keeps its input alone. The gradient is that of public ops, so gradients of every order follow."""

    @staticmethod
    def forward(ctx, x: Tensor, b: Tensor | None, dim: int, act: str, alpha: float, gain: float,
                clamp: float | None) -> Tensor:
        ctx.save_for_backward(x, b)
        ctx.options, ctx.backend = (dim, act, alpha, gain, clamp), dispatch.current()
        return dispatch.choose("bias_act", x)(x, b, *ctx.options)

    @staticmethod
    def backward(ctx, dy: Tensor):
        x, b = ctx.saved_tensors
        with dispatch.use(ctx.backend):              # a device's backward runs in a thread of its own
            dx = bias_act_grad(dy, x, b, *ctx.options)
        others = [i for i in range(x.ndim) if i != ctx.options[0]]
        db = (dx.sum(others) if others else dx).to(b.dtype) if ctx.needs_input_grad[1] else None
        return dx, db, None, None, None, None, None


class _Slope(torch.autograd.Function):
    """dy times a slope that is constant around x: linear in dy, so its gradient is itself."""

    @staticmethod
    def forward(ctx, dy: Tensor, x: Tensor, b: Tensor | None, *options) -> Tensor:
        ctx.save_for_backward(x, b)
        ctx.options, ctx.backend = options, dispatch.current()
        return dispatch.choose("bias_act_grad", x)(dy, x, b, *options)

    @staticmethod
    def backward(ctx, ddx: Tensor):
        x, b = ctx.saved_tensors
        db = torch.zeros_like(b) if ctx.needs_input_grad[2] else None       # 0, not missing: an optimiser minds
        with dispatch.use(ctx.backend):
            return _Slope.apply(ddx, x, b, *ctx.options), None, db, *[None] * 4


# --- public ----------------------------------------------------------------------------------------------------------

_ALPHA = {"linear": lambda alpha: 1, "relu": lambda alpha: 0, "lrelu": lambda alpha: alpha}    # slopes below 0


def bias_act_grad(dy: Tensor, x: Tensor, b: Tensor | None, dim: int, act: str, alpha: float, gain: float,
                  clamp: float | None) -> Tensor:
    """dy times the slope of `bias_act` at x + b, all of x's shape: its gradient in x. Differentiable, any order."""
    if act in _ALPHA:
        return _Slope.apply(dy, x, b, dim, _ALPHA[act](alpha), gain, clamp)
    at = _biased(x, b, dim)
    at = at if at.requires_grad else at.detach().requires_grad_()
    with torch.enable_grad():
        y = _reference(at, None, dim, act, alpha, gain, clamp)
    return torch.autograd.grad(y, at, dy, create_graph=torch.is_grad_enabled())[0]


def bias_act(x: Tensor, b: Tensor | None = None, dim: int = 1, act: str = "linear", alpha: float | None = None,
             gain: float | None = None, clamp: float | None = None) -> Tensor:
    """clamp(gain * act(x + b), -clamp, clamp).

    `x`: any shape and float dtype; `b`: [x.shape[dim]] or None. `act`: a key of ACTIVATIONS, whose `alpha` and `gain`
    are the defaults. The gradient is 0 where the clamp is active; at x + b = 0 lrelu's slope is alpha.
    Differentiable in x and b, any order. Raises ValueError or TypeError on arguments that don't fit.
    """
    if act not in ACTIVATIONS:
        raise ValueError(f"activation '{act}' is not one of {', '.join(ACTIVATIONS)}")
    if not x.is_floating_point():
        raise TypeError(f"bias_act takes a floating-point tensor, not {x.dtype}")
    if b is not None and (not -x.ndim <= dim < x.ndim or b.shape != (x.shape[dim],)):
        raise ValueError(f"a bias of shape {list(b.shape)} does not fit axis {dim} of {list(x.shape)}")
    if clamp is not None and clamp < 0:
        raise ValueError(f"clamp is at least 0, not {clamp}")
    default = ACTIVATIONS[act]
    alpha = default.alpha if alpha is None else alpha
    gain = default.gain if gain is None else gain
    return _BiasAct.apply(x, b, dim % x.ndim if x.ndim else 0, act, alpha, gain, clamp)
