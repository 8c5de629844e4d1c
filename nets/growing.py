"""Progressive growing: the level of detail `lod` between the full resolution, 0, and 4 pixels (ProGAN sec. 2, fig. 2).

Level k of a network for R x R images is the resolution R / 2^k. At a whole lod the network ends (a discriminator:
begins) at level lod; at a fractional one, level k = floor(lod) is faded with level k + 1 by lod - k.
"""
from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from nets.errors import UserError


def check_lod(lod: float | None, default: float, max_lod: int) -> float:
    """`lod`, or `default` if None. Raises UserError outside 0 .. max_lod; max_lod 0 is a network that does not grow."""
    lod = default if lod is None else float(lod)
    if not 0 <= lod <= max_lod:
        raise UserError(f"lod {lod:g} is outside 0 to {max_lod}, the levels of detail of this network." if max_lod else
                        f"lod {lod:g} does not fit, this network does not grow progressively.")
    return lod


def is_shown(level: int, lod: float) -> bool:
    """Whether the image of `level` has a part in the result."""
    return math.floor(lod) <= level < lod + 1


def fade(x: Tensor, previous: Tensor | None, amount: float) -> Tensor:
    """lerp(x, previous, amount clipped to 0 .. 1). At 0 `previous` is not read and may be None."""
    return x if amount <= 0 else x.lerp(previous, min(amount, 1.0))


def fade_image(rgb: Tensor, previous: Tensor | None, amount: float) -> Tensor:
    """`fade` with the image of half the size, `previous` [N, C, h, w], brought to that of `rgb` [N, C, 2h, 2w]."""
    return rgb if amount <= 0 else fade(rgb, upsample_nearest(previous, 2), amount)


def upsample_nearest(x: Tensor, factor: int) -> Tensor:
    """[N, C, H, W] -> [N, C, H factor, W factor], pixels repeated."""
    return x if factor == 1 else F.interpolate(x, scale_factor=factor, mode="nearest")
