"""What a view's mode picks of a tap: some channels, their mean, RMS or principal components, or all of them."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nets.errors import UserError
from renderer.types import View

STRIP = 1 << 16                          # pixels
PCA_PIXELS = 1 << 14                     # more are sampled
SHEET_PIXELS = 1 << 22                   # a larger sheet has smaller cells
SMALLEST_CELL = 16                       # pixels on a side, unless the tap has fewer


class Picked(NamedTuple):
    """What of a tap is shown, in its own unit."""
    y: Tensor                            # float32 [K, h, w], what is not finite as it is
    channels: tuple[int, ...] = ()       # of a sheet: which ones, in its order


def pick(x: Tensor, view: View) -> Picked:
    """The part of x [C, H, W] that `view.mode` shows. Raises UserError if there is no such mode."""
    if x.device.type == "mps":           # has no float64
        x = x.cpu()
    if view.mode == "sheet":
        return _sheet(x, view.order)
    if view.mode in ("rgb", "channel"):
        index = view.channels if view.mode == "rgb" else (view.channel,)
        return Picked(x[[min(max(i, 0), len(x) - 1) for i in index]].float())
    over_channels = {"mean": _mean, "rms": _rms, "pca": _principal}
    if view.mode not in over_channels:
        raise UserError(f"there is no view '{view.mode}'; there are rgb, channel, mean, rms, pca and sheet.")
    return Picked(over_channels[view.mode](x))


def of_pick(view: View) -> View:
    """The part of `view` that `pick` looks at."""
    used = {"rgb": ["channels"], "channel": ["channel"], "sheet": ["order"]}.get(view.mode, [])
    return View(view.mode, **{name: getattr(view, name) for name in used})


def shown_size(shape: tuple[int, int, int], mode: str) -> tuple[int, int]:
    """Height and width of the picture of a tap [C, H, W]."""
    if mode != "sheet":
        return shape[1:]
    columns, (height, width) = sheet_layout(shape)
    return math.ceil(shape[0] / columns) * height, columns * width


def sheet_layout(shape: tuple[int, int, int]) -> tuple[int, tuple[int, int]]:
    """Columns of a tap's contact sheet, about as wide as high, and the height and width of its cells."""
    count, height, width = shape
    columns = min(count, math.ceil(math.sqrt(count * height / width)))
    cells = columns * math.ceil(count / columns)
    scale = min(1.0, math.sqrt(SHEET_PIXELS / (cells * height * width)))
    smaller = (max(min(size, SMALLEST_CELL), math.floor(size * scale)) for size in (height, width))
    return columns, tuple(smaller)


# -- over channels ----------------------------------------------------------------------------------------------------

def _mean(x: Tensor) -> Tensor:
    """[1, H, W]."""
    return _over_channels(x, lambda total, channel: total.add_(channel)).float()


def _rms(x: Tensor) -> Tensor:
    """Root of the mean square, [1, H, W]."""
    return _over_channels(x, lambda total, channel: total.addcmul_(channel, channel)).sqrt().float()


def _over_channels(x: Tensor, add: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """What `add` adds up of every channel, divided by their number: float64 [1, H, W].

    float32 has no room for the squares of all it can hold. Strips of rows stay in the processor's cache.
    """
    totals = []
    for strip in x.split(max(1, STRIP // x.shape[2]), dim=1):
        totals.append(torch.zeros_like(strip[0], dtype=torch.float64))
        for channel in strip:
            add(totals[-1], channel.double())
    return torch.cat(totals)[None] / len(x)


def _energy(x: Tensor) -> Tensor:
    """Mean square of each channel, float64 [C]."""
    flat = (channel.flatten().double() for channel in x)
    return torch.stack([values.dot(values) for values in flat]) / x[0].numel()


def _principal(x: Tensor) -> Tensor:
    """The pixels' coordinates along the first three principal components of the channels, [up to 3, H, W].

    Of the covariance over at most PCA_PIXELS finite pixels. An axis has no sign of its own: the sum of its cubed
    elements is made positive, so that neighbouring frames of a drag rarely differ in it.
    """
    step = math.ceil(x[0].numel() / PCA_PIXELS) | 1      # odd: an even one would meet the same columns of every row
    sample = x.flatten(1)[:, ::step].double()
    sample = sample[:, torch.isfinite(sample).all(dim=0)]
    if not sample.numel():
        return x.new_full((3, *x.shape[1:]), torch.nan, dtype=torch.float32)
    mean = sample.mean(dim=1, keepdim=True)
    sample = sample - mean
    sample /= sample.abs().max().clamp(min=1e-300)       # the axes do not depend on it, and its squares are in range
    axes = torch.linalg.eigh(sample @ sample.T).eigenvectors.flip(1)[:, :3]
    axes = axes * torch.where(axes.pow(3).sum(dim=0) < 0, -1.0, 1.0)
    return (axes.float().T @ x.flatten(1).float() - (axes.T @ mean).float()).unflatten(1, x.shape[1:])


# -- the contact sheet ------------------------------------------------------------------------------------------------

def _sheet(x: Tensor, order: str) -> Picked:
    """Every channel, filtered down to the size of its cell."""
    channels = tuple(range(len(x)))
    if order == "energy":                # what is not finite counts as the strongest
        channels = tuple(_energy(x).nan_to_num(math.inf, math.inf).argsort(descending=True, stable=True).tolist())
    _, (height, width) = sheet_layout(tuple(x.shape))
    x = _lower(x, height)
    if x.shape[2] > width:
        x = _lower(x.mT.contiguous(), width).mT
    return Picked((x[list(channels)] if order == "energy" else x).float(), channels)


def _lower(x: Tensor, size: int) -> Tensor:
    """x [C, H, W] resampled to a smaller height: means over equal stretches, parts of values included.

    Only the values of a stretch reach its mean, so what is not finite stays where it is.
    """
    full = x.shape[1]
    if full == size:
        return x
    mean = x.new_zeros(len(x), size, x.shape[2], dtype=torch.float32)
    for i in range(size):
        first, after = i * full / size, (i + 1) * full / size
        for at in range(math.floor(first), math.ceil(after)):
            share = min(after, at + 1) - max(first, at)
            mean[:, i].add_(x[:, at], alpha=share * size / full)
    return mean
