"""The exponential moving average of the generator, whose images are the ones shown (ProGAN sec. 6.1)."""
from __future__ import annotations

import torch
from torch import nn


def ema_beta(batch: int, nimg: int, ema_kimg: float, ramp: float | None) -> float:
    """How much of the average stays in a step of `batch` images: its half-life is `ema_kimg` thousand images.

    `nimg`: images shown before this step. `ramp`: the half-life is at most this part of them; None: no ramp, as when a
    run is resumed. At 0 the average is the network itself.
    """
    half_life = ema_kimg * 1000 if ramp is None else min(ema_kimg * 1000, ramp * nimg)
    return 0.5 ** (batch / max(half_life, 1e-8))


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, beta: float) -> None:
    """Moves the parameters of `average` by 1 - beta towards those of `network`, and copies its buffers."""
    for mean, value in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, 1 - beta)
    for mean, value in zip(average.buffers(), network.buffers(), strict=True):
        mean.copy_(value)
