"""Texture sticking: how much fine detail keeps its pixels while the picture moves (inspection.md "Texture sticking").

Both tests compare energies of *detail*: what is left of a signal when its blur is taken off. That is linear, so the
detail of a mean is the mean of the details, and both tests may add up details sample by sample.
"""
from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)      # a blur of standard deviation 1 pixel
SUPPORT = len(BINOMIAL)
NEIGHBOURHOOD = 9                        # pixels: side of the square that 'local' averages over
TEXTURED = 0.5                           # of the mean energy: what counts as textured
LOBES = 4                                # of the Lanczos window, to each side


def detail(x: Tensor) -> Tensor:
    """x [C, H, W] with its blur by the binomial filter on both axes taken off, twice.

    Its response at a frequency (f, g), cycles per pixel, is (1 - cos⁴(pi f) cos⁴(pi g))²: half the power from a
    wavelength of 3.5 pixels down, -53 dB at 20 pixels. Slopes have none, up to the borders.
    """
    return _sharp(_sharp(x, -1, -2), -1, -2)


def line_detail(x: Tensor) -> Tensor:
    """As `detail`, along the last axis of x [N, C, L] alone."""
    return _sharp(_sharp(x, -1), -1)


def local_mean(energy: Tensor) -> Tensor:
    """Mean over the NEIGHBOURHOOD of each pixel of [H, W], or what of it there is at the borders."""
    half = NEIGHBOURHOOD // 2
    for size in ((NEIGHBOURHOOD, 1), (1, NEIGHBOURHOOD)):
        padding = tuple(half if n > 1 else 0 for n in size)
        energy = F.avg_pool2d(energy[None, None], size, 1, padding, count_include_pad=False)[0, 0]
    return energy


def sharpness(mean_detail: Tensor, mean_energy: Tensor, border: int = 0) -> tuple[Tensor, Tensor, float]:
    """The averaging test: (map [H, W], where there is texture [H, W], score).

    `mean_detail` [C, H, W]: mean over samples of their details; `mean_energy` [H, W]: mean over samples of the squared
    details, summed over channels. The map is local energy of the former over the local mean of the latter: 1 where all
    samples have the same detail, 1 / n where n samples have nothing in common. Texture is where the local energy is at
    least half of its mean; the score is the map's mean there, `border` pixels left out on each side; NaN if that is
    nowhere.
    """
    held, all_energy = local_mean(mean_detail.square().sum(dim=0)), local_mean(mean_energy)
    ratio = torch.where(all_energy > 0, held / all_energy, 0.0)
    textured = (all_energy > 0) & (all_energy >= TEXTURED * all_energy.mean())
    height, width = ratio.shape
    inner = slice(border, height - border), slice(border, width - border)
    return ratio, textured, ratio[inner][textured[inner]].mean().item()


def streaks(details: Tensor) -> float:
    """The slit scan's score for the details along the line [T, C, L], one row a moment.

    The share of the energy at zero temporal frequency. |f_t| < 1 cycle per scan is the first bin of the Fourier
    transform over T alone, so by Parseval that is the energy of the mean over the mean energy. NaN without any.
    """
    energy = details.square().mean(dim=0).sum()
    return (details.mean(dim=0).square().sum() / energy).item() if energy > 0 else math.nan


def line_pixels(line: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(rows, columns) of the pixels nearest to a line, int64 [L] from its first end to its second: one in each column
    that it crosses, or in each row if these are more.

    `line`: x, y of both ends in shares of a picture's width and height; `size`: its height and width in pixels.
    """
    ends = torch.tensor(line, dtype=torch.float64).reshape(2, 2).flip(1) * torch.tensor(size)    # (y, x) in pixels
    way = ends[1] - ends[0]
    axis = int(way[1].abs() >= way[0].abs())
    first, last = (end.item() for end in ends[:, axis].sort().values)
    along = torch.arange(math.floor(first), max(math.ceil(last), math.floor(first) + 1), dtype=torch.float64) + 0.5
    along = (along if way[axis] >= 0 else along.flip(0)).clamp(first, last)
    points = ends[0] + (along[:, None] - ends[0, axis]) / (way[axis] or 1.0) * way
    rows, columns = (points[:, i].floor().long().clamp(0, n - 1) for i, n in enumerate(size))
    return rows, columns


def moved(x: Tensor, right: float, down: float) -> Tensor:
    """x [C, H, W] shifted by any part of a pixel, by Lanczos's windowed sinc; borders repeat."""
    return _shifted(_shifted(x, right, -1), down, -2)


def signs(channels: int, count: int, seed: int = 0) -> Tensor:
    """[count, channels] of +-1, or the identity where there are no more channels than `count`.

    In place of C channels their sums with random signs: E[s_c s_d] = 0, so that the expected energy of one such sum is
    the sum of the channels' energies, and so for any linear filter's output.
    """
    if channels <= count:
        return torch.eye(channels)
    return 2.0 * torch.randint(0, 2, (count, channels), generator=torch.Generator().manual_seed(seed)) - 1


def _sharp(x: Tensor, *dims: int) -> Tensor:
    """x less its blur along these."""
    blurred = x
    for dim in dims:
        blurred = _filtered(blurred, dim)
    return x - blurred


def _filtered(x: Tensor, dim: int) -> Tensor:
    """x filtered with BINOMIAL along `dim`, continued beyond its ends by reflection in the last value."""
    size, half = x.shape[dim], SUPPORT // 2
    wanted = torch.arange(-half, size + half, device=x.device)
    there = wanted.clamp(0, size - 1)
    mirrored = (2 * there - wanted).clamp(0, size - 1)
    wide = 2 * x.index_select(dim, there) - x.index_select(dim, mirrored)
    return sum(tap * wide.narrow(dim, k, size) for k, tap in enumerate(BINOMIAL))


def _shifted(x: Tensor, by: float, dim: int) -> Tensor:
    """y[i] = x(i - by) along `dim`."""
    whole, size = math.floor(by), x.shape[dim]
    steps = torch.arange(-LOBES, LOBES)
    at = steps.double() + (by - whole)                       # distances of the samples i - whole + step
    taps = torch.sinc(at) * torch.sinc(at / LOBES)
    index = torch.arange(size, device=x.device) - whole
    return sum(tap * x.index_select(dim, (index + step).clamp(0, size - 1))
               for tap, step in zip((taps / taps.sum()).tolist(), steps.tolist()))
