"""Augmentation applied to pictures: geometry, colour, then bands of frequency, noise and holes.

Source: ADA (Karras et al. 2020) app. B; spec training.md "Adaptive augmentation".
"""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from cuda_ops.convolution import conv2d
from train.augment.colour import colour_transform, recolour
from train.augment.draws import Drawn
from train.augment.geometry import inverse_transform, margins, resample


def augment(images: Tensor, drawn: Drawn, samples: slice = slice(None)) -> Tensor:
    """`images` [N, C, H, W], float32 or float64 in [-1, 1], as `drawn` says; values may leave [-1, 1].

    `samples`: which of the batch that `drawn` is for these images are, a micro-batch or what one process was dealt;
    each comes out as it does in the whole batch. A pure function, differentiable in the images in any order.
    Raises ValueError on other types, on another number of images than `drawn` has samples, and on colour for images of
    neither 1 nor 3 channels.
    """
    if images.ndim != 4 or images.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"augmentation takes images [N, C, H, W] of float32 or float64, "
                         f"not {images.dtype} {list(images.shape)}")
    whole, drawn = drawn, drawn.of(samples)
    _check_number(images, drawn)
    height, width = images.shape[2:]
    inverse = inverse_transform(whole, width, height)
    if inverse is not None:                          # the margins are the whole batch's, since edges depend on them
        images = resample(images, inverse[samples], margins(inverse, width, height))
    return _alter(images, drawn)


def _check_number(images: Tensor, drawn: Drawn) -> None:
    numbers = {len(values) for values in drawn if values is not None}
    if numbers - {len(images)}:
        raise ValueError(f"{len(images)} images were given to augment, but numbers drawn for {max(numbers)}")


def _alter(images: Tensor, drawn: Drawn) -> Tensor:
    """What leaves pixels in their places."""
    colour = colour_transform(drawn, images.shape[1])
    if colour is not None:
        images = recolour(images, colour)
    if drawn.imgfilter is not None:
        images = filter_bands(images, drawn.imgfilter)
    if drawn.noise is not None:
        images = images + (drawn.noise[..., None, None] * drawn.pattern).to(images)
    if drawn.cutout is not None:
        images = images * outside_hole(drawn.hole, drawn.cutout, images.shape[3], images.shape[2]).to(images)
    return images


# --- bands of frequency ----------------------------------------------------------------------------------------------

def filter_bank() -> Tensor:
    """Four bands of an octave each, the lowest first, that add up to the identity: float64 [4, 43] (app. B.3).

    Low- and high-pass are the autocorrelations of the wavelet sym2's filters: halfband, and 1 in sum.
    """
    low = torch.tensor([-1, 0, 9, 16, 9, 0, -1], dtype=torch.float64) / 32
    high = torch.tensor([1, 0, -9, 16, -9, 0, 1], dtype=torch.float64) / 32
    bank = torch.zeros(4, 1, dtype=torch.float64)
    bank[0] = 1
    for i in range(1, 4):
        stuffed = torch.zeros(4, 2 * bank.shape[1] - 1, dtype=torch.float64)
        stuffed[:, ::2] = bank
        bank = conv1d(stuffed[:, None], low[None, None], padding=6)[:, 0]
        middle = bank.shape[1] // 2
        bank[i, middle - 3:middle + 4] += high
    return bank


BANK = filter_bank()
POWER = torch.tensor([10, 1, 1, 1], dtype=torch.float64) / 13          # expected power of natural images in each band


def filter_bands(x: Tensor, factors: Tensor) -> Tensor:
    """x [N, C, H, W] with its bands amplified by `factors` [N, 4], at about the same power; mirrored at the edges."""
    n, channels, height, width = x.shape
    taps = (band_gains(factors) @ BANK).to(x).repeat_interleave(channels, 0)                      # [N C, 43]
    x = mirrored(x, BANK.shape[1] // 2).reshape(1, n * channels, *(s + BANK.shape[1] - 1 for s in (height, width)))
    x = conv2d(x, taps[:, None, None, :], groups=len(taps))
    x = conv2d(x, taps[:, None, :, None], groups=len(taps))
    return x.reshape(n, channels, height, width)


def band_gains(factors: Tensor) -> Tensor:
    """Every band's factor alone leaves the expected power as it was; the gains [N, 4] are the product over the four."""
    each = torch.where(torch.eye(4, dtype=torch.bool), factors.double()[:, None], 1)              # [N, factor, band]
    return (each / (each.square() @ POWER).sqrt()[..., None]).prod(1)


def mirrored(x: Tensor, margin: int) -> Tensor:
    """x [N, C, H, W] continued by `margin` pixels on every side, to and fro where it is smaller than that.

    Raises ValueError if a side is of one pixel.
    """
    if min(x.shape[2:]) < 2:
        raise ValueError(f"a picture of {x.shape[3]}x{x.shape[2]} has nothing to mirror at its edges")
    left = [margin, margin]                                             # still to add on each side of x and of y
    while max(left) > 0:
        step = [min(m, size - 1) for m, size in zip(left, (x.shape[3], x.shape[2]))]
        x = pad(x, (step[0], step[0], step[1], step[1]), mode="reflect")
        left = [m - s for m, s in zip(left, step)]
    return x


# --- holes -----------------------------------------------------------------------------------------------------------

def outside_hole(centre: Tensor, size: Tensor, width: int, height: int) -> Tensor:
    """False in the hole round `centre` [N, 2], `size` [N, 1] of the picture's sides wide -> bool [N, 1, H, W]."""
    across, down = ((torch.arange(n) + 0.5) / n for n in (width, height))
    outside_x = (across - centre[:, :1]).abs() >= size / 2                                        # [N, W]
    outside_y = (down - centre[:, 1:]).abs() >= size / 2                                          # [N, H]
    return (outside_x[:, None] | outside_y[:, :, None])[:, None]
