"""Running means: their variance, how sure they are, and the distance of two pictures."""
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from scipy.special import stdtrit
from torch import Tensor


class Moments:
    """Mean and variance of tensors of one shape, one after the other, in float64 (Welford 1962)."""

    def __init__(self):
        self.count = 0
        self.mean: Tensor | None = None
        self._squares: Tensor | None = None      # sum of squared deviations from the mean

    def add(self, x: Tensor) -> float:
        """Takes x in. Returns its own share of the variance, mean over all values: from the second sample on these are
        uncorrelated, each with the variance as its expectation, and their mean is `variance`'s (Helmert 1876)."""
        x = as_double(x)
        if self.mean is None:
            self.mean, self._squares = torch.zeros_like(x), torch.zeros_like(x)
        self.count += 1
        from_old = x - self.mean
        self.mean += from_old / self.count
        share = from_old * (x - self.mean)
        self._squares += share
        return share.mean().item()

    def variance(self) -> Tensor:
        """The samples' unbiased variance, in the shape of one; there must be two of them."""
        return self._squares / (self.count - 1)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): the mean of independent values and its 95 % interval by Student's t; NaN: too few values."""
    n = len(values)
    mean = math.fsum(values) / n if n else math.nan
    if n < 2:
        return mean, math.nan, math.nan
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    half = float(stdtrit(n - 1, 0.975)) * math.sqrt(variance / n)
    return mean, mean - half, mean + half


def rms_distance(a: Tensor, b: Tensor) -> float:
    """Root of the mean squared difference over all values."""
    return (as_double(a) - as_double(b)).square().mean().sqrt().item()


def as_double(x: Tensor) -> Tensor:
    return (x.cpu() if x.device.type == "mps" else x).double()       # MPS has no float64
