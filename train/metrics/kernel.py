"""Kernel Inception distance: MMD² with a cubic kernel, over random subsets (Bińkowski et al. 2018 sec. 4)."""
from __future__ import annotations

import torch
from torch import Tensor

from nets.errors import UserError
from train.metrics.features import Progress, silent


def kernel_distance(real: Tensor, fake: Tensor, generator: torch.Generator, subsets: int = 100, size: int = 1000,
                    device: torch.device | str = "cpu", progress: Progress = silent) -> float:
    """Mean MMD² of features [N, F] and [M, F] over `subsets` pairs of random subsets of at most `size`.

    Subsets are drawn without replacement by a CPU `generator`; both have min(size, N, M) members. Unbiased, so it may
    be below 0. Raises UserError below two features.
    """
    m = min(size, len(real), len(fake))
    if m < 2:
        raise UserError(f"KID needs two images of each kind; there are {len(real)} real and {len(fake)} generated ones")
    total = 0.0
    for i in range(subsets):
        x, y = (_drawn(features, m, generator).to(device) for features in (real, fake))
        total += unbiased_mmd2(x, y)
        progress((i + 1) / subsets)
    return total / subsets


def unbiased_mmd2(x: Tensor, y: Tensor) -> float:
    """Of features [m, F] each, with the kernel (x·y / F + 1)³ (Gretton et al. 2012 eq. 3).

    In float64, but on MPS, which has none.
    """
    x, y = (features.to(torch.float32 if x.device.type == "mps" else torch.float64) for features in (x, y))
    m = len(x)
    within = sum(k.sum() - k.diagonal().sum() for k in (_kernel(x, x), _kernel(y, y))) / (m * (m - 1))
    return (within - 2 * _kernel(x, y).mean()).item()


def _drawn(features: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return features[torch.randperm(len(features), generator=generator)[:count]]


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3
