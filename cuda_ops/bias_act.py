"""bias_act: add a bias, apply an activation, scale, clamp. Spec "bias_act"."""
from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from cuda_ops import dispatch


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


@dispatch.register("bias_act", "reference")
def _reference(x: Tensor, b: Tensor | None, dim: int, act: str, alpha: float, gain: float,
               clamp: float | None) -> Tensor:
    """Without gradients to record, steps after the first overwrite its result: fresh memory is what costs time here."""
    def ours(y: Tensor) -> bool:
        return y is not x and not y.requires_grad

    y = x if b is None else x + b.to(x.dtype).reshape([-1 if i == dim else 1 for i in range(x.ndim)])
    y = ACTIVATIONS[act].function(y, alpha, ours(y))
    if gain != 1:
        y = y.mul_(gain) if ours(y) else y * gain
    if clamp is not None:
        y = y.clamp_(-clamp, clamp) if ours(y) else y.clamp(-clamp, clamp)
    return y


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
    return dispatch.choose("bias_act", x)(x, b, dim % x.ndim if x.ndim else 0, act, alpha, gain, clamp)
