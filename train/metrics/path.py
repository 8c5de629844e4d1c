"""Perceptual path length: where on a path to look, and the score of the distances found (StyleGAN sec. 4.1)."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nets.errors import UserError
from renderer.measures.paths import slerp

EPSILON = 1e-4                           # between the two images of a pair
PERCENTILES = 1, 99                      # outside of them distances are left out


def neighbours(a: Tensor, b: Tensor, t: Tensor, space: str, epsilon: float = EPSILON) -> tuple[Tensor, Tensor]:
    """The points at t and at t + epsilon between latents a and b: as a each, computed in float64.

    `t` [N], 0..1: random for 'full' paths, 0 for 'end'. `space` is 'z', for a and b [N, Z] and great circles between
    them, or 'w', for [N, ...] and straight lines.
    """
    x, y = a.double(), b.double()
    if space == "w":
        t = t.double().reshape(-1, *[1] * (a.ndim - 1))
        return tuple(x.lerp(y, at).to(a.dtype) for at in (t, t + epsilon))
    pairs = list(zip(x.cpu().numpy(), y.cpu().numpy(), t.tolist()))
    return tuple(torch.from_numpy(np.stack([slerp(p, q, at + step) for p, q, at in pairs])).to(a)
                 for step in (0, epsilon))


def centre_crop(images: Tensor) -> Tensor:
    """Rows 3/8 to 7/8 and columns 2/8 to 6/8 of images [N, C, H, W]: where StyleGAN1's metric has the face."""
    height, width = images.shape[2:]
    return images[:, :, height * 3 // 8:height * 7 // 8, width * 2 // 8:width * 6 // 8]


def path_length(distances: Tensor, epsilon: float = EPSILON) -> float:
    """Mean of squared distances [N] / epsilon², those below the 1st and above the 99th percentile left out.

    The limits are distances that occur, the lower neighbour of the 1st and the higher of the 99th, and both count.
    Raises UserError for no distances or one that is not finite.
    """
    found = distances.double().cpu().numpy() / epsilon ** 2
    if not len(found) or not np.isfinite(found).all():
        raise UserError("perceptual path length needs finite distances; look for NaN in the generated images")
    low, high = (np.percentile(found, q, method=m) for q, m in zip(PERCENTILES, ("lower", "higher")))
    return float(found[(found >= low) & (found <= high)].mean())
