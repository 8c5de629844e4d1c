"""Detectors that tests write: TorchScript files called as the published ones, with few features, of fixed weights."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nets.stages import synthesize
from train.metrics.detectors import INCEPTION, VGG16

FEATURES = 6


class StandIn(torch.nn.Module):
    """A convolution, squared and averaged; takes the flags of Inception's file and of VGG16's."""

    def __init__(self):
        super().__init__()
        drawn = torch.Generator().manual_seed(1)
        self.register_buffer("weight", torch.randn(FEATURES, 3, 3, 3, generator=drawn) / 5)
        self.register_buffer("bias", torch.arange(FEATURES).float())

    def forward(self, x: Tensor, return_features: bool = False, no_output_bias: bool = False,
                resize_images: bool = True, return_lpips: bool = False) -> Tensor:
        found = torch.conv2d(x.float() / 127.5 - 1, self.weight).square().mean(dim=(2, 3))
        if return_features or return_lpips:
            return found
        return torch.softmax(2 * found + (0 if no_output_bias else 1) * self.bias, dim=1)


class Redness(torch.nn.Module):
    """A classifier: is there more red than in half of a certain tiny network's pictures?"""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0].mean(dim=(1, 2)) - 0.085


def save_detectors(folder: Path) -> str:
    """Writes both under the names they are looked for by."""
    for detector in (INCEPTION, VGG16):
        torch.jit.script(StandIn()).save(str(folder / detector.file))
    return str(folder)


def save_classifier(path: Path) -> str:
    torch.jit.script(Redness()).save(str(path))
    return str(path)


def drawn(G, seed: int, number: int) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
    """z, label and noise of one image, in the order they are drawn; labels uniform."""
    random = np.random.default_rng([seed, number])
    z = torch.from_numpy(random.standard_normal((1, G.z_dim), np.float32))
    c = torch.eye(G.c_dim)[[random.integers(G.c_dim)]] if G.c_dim else None
    noise = {stage.name: torch.from_numpy(random.standard_normal((1, 1, *stage.noise_const.shape), np.float32))
             for stage in G.synthesis.stages() if stage.noise_const is not None}
    return z, c, noise


@torch.no_grad()
def image(G, seed: int, number: int) -> Tensor:
    """One generated image [1, C, H, W], by itself."""
    z, c, noise = drawn(G, seed, number)
    return synthesize(G.synthesis.stages(), G.mapping(z, c), noise)


def pictures(G, seed: int, count: int) -> Tensor:
    """uint8 [count, C, H, W], truncated as training.md says."""
    images = np.concatenate([image(G, seed, number).numpy() for number in range(count)])
    return torch.from_numpy(np.clip(images * np.float32(127.5) + 128, 0, 255).astype(np.uint8))
