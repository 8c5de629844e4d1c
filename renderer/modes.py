"""What a view's mode picks of a tap: some channels, their mean, RMS or principal components, or all of them."""
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from nets.errors import UserError
from renderer.types import View

CHUNK = 1 << 22                          # values in float64 at a time, to bound memory
PCA_PIXELS = 1 << 16                     # more are sampled
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
    return (sum(part.sum(dim=0) for part in _parts(x)) / len(x)).float()[None]


def _rms(x: Tensor) -> Tensor:
    """Root of the mean square, [1, H, W]."""
    return (sum(part.square().sum(dim=0) for part in _parts(x)) / len(x)).sqrt().float()[None]


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
    at = sum(axis.T @ part.flatten(1) for axis, part in zip(axes.split(_in_chunk(x)), _parts(x)))
    return (at - axes.T @ mean).unflatten(1, x.shape[1:]).float()


def _in_chunk(x: Tensor) -> int:
    """How many channels are worked on at a time."""
    return max(1, CHUNK // x[0].numel())


def _parts(x: Tensor) -> Iterator[Tensor]:
    """x in groups of channels, float64."""
    return (part.double() for part in x.split(_in_chunk(x)))


# -- the contact sheet ------------------------------------------------------------------------------------------------

def _sheet(x: Tensor, order: str) -> Picked:
    """Every channel, filtered down to the size of its cell."""
    channels = tuple(range(len(x)))
    if order == "energy":                # what is not finite counts as the strongest
        energy = torch.cat([part.square().mean(dim=(1, 2)) for part in _parts(x)])
        channels = tuple(energy.nan_to_num(math.inf, math.inf).argsort(descending=True, stable=True).tolist())
        x = x[list(channels)]
    _, (height, width) = sheet_layout(tuple(x.shape))
    return Picked(_area(_area(x.float(), 1, height), 2, width), channels)


def _area(x: Tensor, dim: int, size: int) -> Tensor:
    """x resampled to a smaller `size` along `dim`: means over equal stretches, parts of values included.

    Only the values of a stretch reach its mean, so what is not finite stays where it is.
    """
    full = x.shape[dim]
    if full == size:
        return x
    edges = torch.arange(size + 1, dtype=torch.float64) * full / size
    first, after = edges[:-1].floor().long(), edges[1:].ceil().long()
    mean, shape = 0, [size if i == dim else 1 for i in range(x.ndim)]
    for i in range(int((after - first).max())):
        at = torch.minimum(first + i, after - 1)
        share = (torch.minimum(edges[1:], at + 1.0) - torch.maximum(edges[:-1], at + 0.0)) * (first + i < after)
        weight = (share * size / full).float().to(x.device).reshape(shape)
        mean = mean + x.index_select(dim, at.to(x.device)) * weight
    return mean
