"""Which transforms augmentation has, and the random numbers of one batch, drawn before any picture is touched.

Source: ADA (Karras et al. 2020) app. B; spec training.md "Adaptive augmentation".
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi, sqrt
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pipeline:
    """How often each transform is applied, as a multiple of p: 0 leaves it out, 1 is the paper's."""
    xflip: float = 0
    rotate90: float = 0
    xint: float = 0                                  # translation by whole pixels
    scale: float = 0
    rotate: float = 0
    aniso: float = 0                                 # scaling of one axis against the other
    xfrac: float = 0                                 # translation by fractions of a pixel
    brightness: float = 0
    contrast: float = 0
    lumaflip: float = 0
    hue: float = 0
    saturation: float = 0
    imgfilter: float = 0
    noise: float = 0
    cutout: float = 0


_BLIT = {"xflip": 1, "rotate90": 1, "xint": 1}
_GEOMETRY = {"scale": 1, "rotate": 1, "aniso": 1, "xfrac": 1}
_COLOUR = {"brightness": 1, "contrast": 1, "lumaflip": 1, "hue": 1, "saturation": 1}
_BGC = _BLIT | _GEOMETRY | _COLOUR

PIPELINES: dict[str, Pipeline] = {                   # app. B's categories; "bgc" is the default
    "blit": Pipeline(**_BLIT),
    "geom": Pipeline(**_GEOMETRY),
    "color": Pipeline(**_COLOUR),
    "filter": Pipeline(imgfilter=1),
    "noise": Pipeline(noise=1),
    "cutout": Pipeline(cutout=1),
    "bg": Pipeline(**_BLIT, **_GEOMETRY),
    "bgc": Pipeline(**_BGC),
    "bgcf": Pipeline(**_BGC, imgfilter=1),
    "bgcfn": Pipeline(**_BGC, imgfilter=1, noise=1),
    "bgcfnc": Pipeline(**_BGC, imgfilter=1, noise=1, cutout=1),
}


class Drawn(NamedTuple):
    """What each of N samples gets, on the CPU; None where the pipeline leaves a transform out.

    A sample whose gate stayed shut has the value that changes nothing. Translations are in fractions of the width and
    the height, angles in radians, intensities in those of images in [-1, 1].
    """
    xflip: Tensor | None = None                      # [N, 1] 0 or 1
    rotate90: Tensor | None = None                   # [N, 1] quarter turns, 0 to 3
    xint: Tensor | None = None                       # [N, 2] x, y; rounded to whole pixels when applied
    scale: Tensor | None = None                      # [N, 1] factor
    rotate: Tensor | None = None                     # [N, 2] before and after `aniso`
    aniso: Tensor | None = None                      # [N, 1] factor of x; y gets its inverse
    xfrac: Tensor | None = None                      # [N, 2] x, y
    brightness: Tensor | None = None                 # [N, 1] added
    contrast: Tensor | None = None                   # [N, 1] factor
    lumaflip: Tensor | None = None                   # [N, 1] 0 or 1
    hue: Tensor | None = None                        # [N, 1]
    saturation: Tensor | None = None                 # [N, 1] factor
    imgfilter: Tensor | None = None                  # [N, 4] factor of each band, lowest first
    noise: Tensor | None = None                      # [N, 1] standard deviation
    cutout: Tensor | None = None                     # [N, 1] size of the hole, a fraction of each side
    hole: Tensor | None = None                       # [N, 2] its centre, x, y in 0..1
    pattern: Tensor | None = None                    # [N, C, H, W] the noise, of standard deviation 1

    def of(self, samples: slice) -> Drawn:
        """What these of the samples get."""
        return Drawn(*(None if values is None else values[samples] for values in self))


class Numbers:
    """Random numbers from a generator on the CPU: resuming its state repeats them, whatever device trains."""

    def __init__(self, generator: torch.Generator | None = None):
        self.generator = generator

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator)


class Transform(NamedTuple):
    """How one transform's values are drawn: a value [N, K] stays where its gate opens, else it is `shut`."""
    values: Callable[[Numbers, int], Tensor]
    shut: float = 0
    gates: int = 1                                   # 1: one for all K values of a sample; K: one each
    chance: Callable[[float], float] = lambda p: p   # of a gate to open


TRANSFORMS = {
    "xflip": Transform(lambda draw, n: (2 * draw.uniform(n, 1)).floor()),
    "rotate90": Transform(lambda draw, n: (4 * draw.uniform(n, 1)).floor()),
    "xint": Transform(lambda draw, n: 0.125 * (2 * draw.uniform(n, 2) - 1)),
    "scale": Transform(lambda draw, n: (0.2 * draw.normal(n, 1)).exp2(), shut=1),
    # app. B: two rotations, so rare that at least one of them happens with probability p
    "rotate": Transform(lambda draw, n: pi * (2 * draw.uniform(n, 2) - 1), gates=2, chance=lambda p: 1 - sqrt(1 - p)),
    "aniso": Transform(lambda draw, n: (0.2 * draw.normal(n, 1)).exp2(), shut=1),
    "xfrac": Transform(lambda draw, n: 0.125 * draw.normal(n, 2)),
    "brightness": Transform(lambda draw, n: 0.2 * draw.normal(n, 1)),
    "contrast": Transform(lambda draw, n: (0.5 * draw.normal(n, 1)).exp2(), shut=1),
    "lumaflip": Transform(lambda draw, n: (2 * draw.uniform(n, 1)).floor()),
    "hue": Transform(lambda draw, n: pi * (2 * draw.uniform(n, 1) - 1)),
    "saturation": Transform(lambda draw, n: draw.normal(n, 1).exp2(), shut=1),
    "imgfilter": Transform(lambda draw, n: draw.normal(n, 4).exp2(), shut=1, gates=4),
    "noise": Transform(lambda draw, n: (0.1 * draw.normal(n, 1)).abs()),
    "cutout": Transform(lambda draw, n: torch.full((n, 1), 0.5)),
}


def draw(pipeline: Pipeline, p: float, shape: Sequence[int], numbers: Numbers) -> Drawn:
    """Everything random about augmenting one batch of images of `shape` [N, C, H, W], in a fixed order.

    `p`: probability of every transform, times its multiplier; 1 and more is always. How many numbers are drawn depends
    on the pipeline and the shape, never on p. Raises ValueError if p is negative or not a number.
    """
    if not p >= 0:
        raise ValueError(f"the augmentation probability {p} is not 0 or more")
    shape = tuple(shape)
    drawn = {name: _gated(transform, min(p * getattr(pipeline, name), 1), shape[0], numbers)
             for name, transform in TRANSFORMS.items() if getattr(pipeline, name) > 0}
    if "cutout" in drawn:
        drawn["hole"] = numbers.uniform(shape[0], 2)
    if "noise" in drawn:
        drawn["pattern"] = numbers.normal(*shape)
    return Drawn(**drawn)


def _gated(transform: Transform, p: float, n: int, numbers: Numbers) -> Tensor:
    values = transform.values(numbers, n)
    opened = numbers.uniform(n, transform.gates) < transform.chance(p)
    return values.where(opened, torch.tensor(float(transform.shut)))
