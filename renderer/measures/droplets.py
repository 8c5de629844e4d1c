"""Droplets: small blobs that hold a feature map's magnitude (inspection.md "Droplets"; StyleGAN2 sec. 2, fig. 1).

Places and sizes are in image units: the image is 1 high and 1 wide, (0, 0) is its top left corner. StyleGAN3's margins
lie outside of that.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from cuda_ops.style_epilogue import EPSILON
from renderer.measures import summary

TOP = 1 / 1000                           # of all pixels: those whose energy is `share`
BLOB = 1 / 10                            # of the peak: a blob's least energy
# A droplet outweighs its map in the sums of normalisation. Ten times the amplitude of a typical pixel is the least that
# does; Gaussian noise of one channel and a million pixels reaches 60 times the median energy, of more channels less.
LEAST_RATIO = 100.0
LARGEST_AREA = 0.02                      # of the image: more is an object, not a droplet
LEAST_DOMINANCE = 0.5
NEAR = 1 / 32                            # of the image: how far a droplet's peak may wander, or a pixel and a half
LEAST_RESOLUTIONS = 3


class Blob(NamedTuple):
    """The strongest blob of a feature map."""
    peak_ratio: float                    # largest over median energy of a pixel; 1 where there is none at all
    share: float                         # 0..1: of all energy, in the strongest thousandth of the pixels, at least one
    pixel: tuple[int, int]               # (y, x) of the peak, in the map
    place: tuple[float, float]           # (y, x) of that pixel's centre, in image units
    area: float                          # of the connected region above a tenth of the peak around it, in image units
    dominance: float                     # 0..1: the region's part in the energy of all pixels above a tenth of the peak

    @property
    def diameter(self) -> float:
        """Of a disc of that area, in image units."""
        return 2 * math.sqrt(self.area / math.pi)

    @property
    def stands_out(self) -> bool:
        """Whether it would be a droplet, if it persists. One thread of a texture is not: others are as strong."""
        return (self.peak_ratio >= LEAST_RATIO and self.area <= LARGEST_AREA and self.dominance >= LEAST_DOMINANCE)


def energy(x: Tensor) -> Tensor:
    """Mean over channels of x² of x [C, H, W], in at least float32: [H, W]. Where it is not finite it is 0."""
    return (summary.energy_of(_exact(x)) / len(x)).nan_to_num(0, 0, 0)


def region(e: Tensor) -> Tensor:
    """Where the blob of an energy map [H, W] is: bool [H, W]. Pixels that touch at a corner are connected."""
    parts, _ = ndimage.label(_above(e).cpu().numpy(), structure=np.ones((3, 3)))
    return torch.from_numpy(parts == parts.flat[e.argmax().item()]).to(e.device)


def _above(e: Tensor) -> Tensor:
    """Where e [H, W] is above a tenth of its peak: bool [H, W]."""
    return e > BLOB * e.max()


def strongest(e: Tensor, image: tuple[float, float]) -> Blob:
    """Of an energy map [H, W]; `image`: the samples along the image's height and width, which the map is centred on."""
    values = e.flatten()
    total, peak, median = values.sum(dtype=torch.float64).item(), values.max().item(), values.median().item()
    top = values.topk(max(1, math.floor(len(values) * TOP))).values.sum(dtype=torch.float64).item()
    pixel = divmod(values.argmax().item(), e.shape[1])
    place = tuple((at + 0.5 - size / 2) / samples + 0.5 for at, size, samples in zip(pixel, e.shape, image))
    blob = region(e)
    area = blob.sum().item() / math.prod(image)
    dominance = (e[blob].sum(dtype=torch.float64) / e[_above(e)].sum(dtype=torch.float64)).item()
    ratio = (peak / median if median else math.inf) if peak else 1.0
    return Blob(ratio, top / total if total else 0.0, pixel, place, area, dominance if peak else 1.0)


def persistent(blobs: Sequence[Blob], rates: Sequence[float]) -> list[bool]:
    """For each layer whether its blob is a droplet: one that stands out, here and, near the same place, at as many
    consecutive resolutions as LEAST_RESOLUTIONS.

    `rates`: each layer's sampling rate, in samples per image; those that occur are the resolutions.
    """
    resolutions = sorted(set(rates))

    def is_droplet(own: Blob, own_rate: float) -> bool:
        kept = {rate for blob, rate in zip(blobs, rates) if blob.stands_out and _is_near(own, blob, own_rate, rate)}
        return own.stands_out and _run(resolutions, kept, own_rate) >= LEAST_RESOLUTIONS
    return [is_droplet(blob, rate) for blob, rate in zip(blobs, rates)]


def _is_near(a: Blob, b: Blob, rate_a: float, rate_b: float) -> bool:
    distance = max(abs(p - q) for p, q in zip(a.place, b.place))
    return distance <= max(NEAR, 1.5 / min(rate_a, rate_b))


def _run(resolutions: list[float], kept: set[float], own: float) -> int:
    """How many consecutive `resolutions` around `own` are all in `kept`."""
    count = 0
    for rate in resolutions:
        if rate in kept:
            count += 1
        elif rate > own:
            break
        else:
            count = 0
    return count


# -- cause ------------------------------------------------------------------------------------------------------------

def rest(e: Tensor) -> Tensor:
    """All but the blob of an energy map [H, W]: bool [H, W]. What covers more than half of it is left in."""
    blob = region(e)
    return torch.ones_like(blob) if 2 * blob.sum() > blob.numel() else ~blob


def spreads(x: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviation of each channel of x [C, H, W]: of all pixels, and of those `kept` [H, W], [C] each.

    Without a blob the quotient is by how much it deflates all the rest in instance normalisation.
    """
    x = _exact(x)
    return _moments(x, torch.ones_like(kept))[1].sqrt(), _moments(x, kept)[1].sqrt()


def normalise_without_blob(x: Tensor) -> Tensor:
    """Instance normalisation of x [N, C, H, W] by the mean and the variance of all pixels but the blob's; x's dtype."""
    out = []
    for sample in _exact(x):
        mean, var = (moment[:, None, None] for moment in _moments(sample, rest(energy(sample))))
        out.append((sample - mean) * (var + EPSILON).rsqrt())
    return torch.stack(out).to(x.dtype)


def _moments(x: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel of x [C, H, W] over the pixels `kept` [H, W]: [C] each."""
    values, weights = summary.columns(x), kept.flatten().to(x.dtype)
    weights /= weights.sum()
    mean = values @ weights
    return mean, (values - mean[:, None]).square_() @ weights


def _exact(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
