"""What a discriminator sees of images besides augmentation: the fading blur of StyleGAN3-R, the reals of growing."""
from __future__ import annotations

from math import floor

import torch
from torch import Tensor
from torch.nn import functional as F

from cuda_ops.upfirdn2d import filter2d
from nets.growing import fade_image, upsample_nearest

MAX_BLUR = 10.0                          # pixels


def blur_sigma(nimg: int, batch: int) -> float:
    """StyleGAN3-R's blur after `nimg` images, in pixels: it fades from 10 to 0 over 200 kimg at batch 32."""
    return MAX_BLUR * max(1 - nimg / (200e3 * batch / 32), 0)


def blur(images: Tensor, sigma: float) -> Tensor:
    """images [N, C, H, W] under a Gaussian of 2^-(t/sigma)², |t| <= 3 sigma, beyond the border 0; sigma in pixels.

    Unchanged where floor(3 sigma) is 0. Differentiable, in any order (training.md "Presets", D-input blur).
    """
    radius = floor(3 * sigma)
    if radius == 0:
        return images
    t = torch.arange(-radius, radius + 1, device=images.device, dtype=torch.float32)
    taps = (-(t / sigma).square()).exp2()
    return filter2d(images, taps / taps.sum())


def growing_reals(images: Tensor, lod: float) -> Tensor:
    """Real images [N, C, H, W] as a generator of that level of detail would show them (ProGAN sec. 2, fig. 2).

    Averaged to H / 2^floor(lod), lerped by frac(lod) with their half-resolution version, pixels repeated back to H.
    """
    factor = 2 ** floor(lod)
    x = F.avg_pool2d(images, factor) if factor > 1 else images
    half = F.avg_pool2d(x, 2) if lod % 1 else None
    return upsample_nearest(fade_image(x, half, lod % 1), factor)
