"""How estimates draw: an image as the viewer shows it, a field of values in the colours of a scale."""
from __future__ import annotations

import numpy as np
from torch import Tensor

from renderer import view
from renderer.colormaps import BAD, colours
from renderer.modes import pick
from renderer.report import Scale
from renderer.types import View

LEVELS = "of 255"                        # unit of differences between pictures: the levels of a byte


def picture(image: Tensor) -> np.ndarray:
    """The first of images [N, C, H, W], values from -1 to 1: uint8 [H, W, 3], read-only."""
    return view.picture(image[0], View())


def levels(image: Tensor) -> Tensor:
    """The same before it is rounded: float32 [3, H, W], 0..255."""
    return view.levels(pick(image[0], View()), View())


def heat(values: np.ndarray, scale: Scale) -> np.ndarray:
    """float [H, W] in the colours of `scale`: uint8 [H, W, 3], read-only; NaN in the colour of what is no number."""
    index = (values - scale.low) * (255 / ((scale.high - scale.low) or 1.0))
    bad = np.isnan(index)
    index[bad] = 0
    pixels = colours(scale.colormap).take(np.rint(index.clip(0, 255)).astype(np.uint8), axis=0)
    pixels[bad] = BAD
    return view.read_only(pixels)
