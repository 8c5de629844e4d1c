"""filtered_lrelu: bias, upsample, leaky ReLU, downsample; the alias-free nonlinearity of StyleGAN3.

Source: StyleGAN3 (Karras et al. 2021) sec. 3.1 and fig. 4b; spec "filtered_lrelu".
"""
from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor

from cuda_ops import dispatch
from cuda_ops.bias_act import bias_act
from cuda_ops.upfirdn2d import Padding, axis_pair, check_filter, check_image, upfirdn2d


def filtered_lrelu_steps(x: Tensor, fu: Tensor | None = None, fd: Tensor | None = None, b: Tensor | None = None,
                         up: int | Sequence[int] = 1, down: int | Sequence[int] = 1, padding: Padding = 0,
                         gain: float = sqrt(2), slope: float = 0.2, clamp: float | None = None,
                         flip_filter: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """`filtered_lrelu` laid open; always the reference. Arguments as there.

    Returns (up, act, out): the upsampled signal with its bias, before the gain; after leaky ReLU, gain and clamp, still
    upsampled; and the result.
    """
    ux, uy = axis_pair(up, "up")
    with dispatch.use("reference"):
        high = upfirdn2d(bias_act(x, b), fu, up=up, padding=padding, flip_filter=flip_filter, gain=ux * uy)
        act = bias_act(high, act="lrelu", alpha=slope, gain=gain, clamp=clamp)
        return high, act, upfirdn2d(act, fd, down=down, flip_filter=flip_filter)


@dispatch.register("filtered_lrelu", "reference")
def _reference(x: Tensor, fu: Tensor | None, fd: Tensor | None, b: Tensor | None, *args) -> Tensor:
    """Without gradients to record, a group of channels at a time: the upsampled signal is many times x, and it is never
    held as a whole."""
    groups = _group_count(x, args[0])
    recorded = torch.is_grad_enabled() and (x.requires_grad or b is not None and b.requires_grad)
    if recorded or groups == 1:
        return filtered_lrelu_steps(x, fu, fd, b, *args)[2]
    biases = [None] * groups if b is None else b.tensor_split(groups)
    results = [filtered_lrelu_steps(part, fu, fd, bias, *args)[2]
               for part, bias in zip(x.tensor_split(groups, dim=1), biases)]
    return torch.cat(results, dim=1)


def _group_count(x: Tensor, up: int | Sequence[int]) -> int:
    """So many that each upsamples to some 8 million samples, yet has 16 channels, a vector's width, or more."""
    ux, uy = axis_pair(up, "up")
    return max(1, min(x.shape[1] // 16, x.numel() * ux * uy // 2 ** 23))


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
    run = dispatch.choose("filtered_lrelu", x)
    return run(x, fu, fd, b, up, down, padding, gain, slope, clamp, flip_filter)
