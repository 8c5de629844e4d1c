"""What an inspection for droplets has found so far."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from torch import Tensor

from renderer.inspection import Droplets
from renderer.measures.droplets import Blob
from renderer.types import TapInfo


class Layer(NamedTuple):
    """What a layer holds for the latent that is looked at."""
    tap: TapInfo
    blob: Blob
    is_droplet: bool
    energy: np.ndarray                   # float32 [H, W]
    spread: np.ndarray                   # float32 [C]: standard deviation of each channel
    spread_rest: np.ndarray              # float32 [C]: without the blob

    @property
    def name(self) -> str:
        return self.tap.name.rpartition(".")[0]

    @property
    def deflation(self) -> float:
        """By how much the blob raises the standard deviation of a typical channel; NaN where nothing varies."""
        varies = self.spread_rest > 0
        return float(np.median(self.spread[varies] / self.spread_rest[varies])) if varies.any() else float("nan")


class Undone(NamedTuple):
    """The picture if one layer normalises otherwise."""
    picture: np.ndarray                  # uint8 [H, W, 3]
    change: np.ndarray                   # float32 [H, W]: of its levels, 0..255, mean over colours


class Seed(NamedTuple):
    """A seed's strongest droplet; without any, its blob of the largest peak ratio."""
    seed: int
    has_droplet: bool
    layer: str
    blob: Blob


@dataclass
class Findings:
    """Bounded: a line for each seed of the search, and pictures of two of them."""
    family: str                          # 'StyleGAN1'
    normalises: bool                     # by instance, right behind the activation
    asked: Droplets
    layers: list[Layer] = field(default_factory=list)        # none: nothing has been looked at yet
    image: Tensor | None = None                              # [1, C, H, W]
    undone: dict[str, Undone] = field(default_factory=dict)
    seeds: list[Seed] = field(default_factory=list)          # the strongest first
    pictures: dict[int, np.ndarray] = field(default_factory=dict)    # of the first and the last of `seeds`

    @property
    def best(self) -> Layer:
        """Of the strongest droplet; without any, of the largest peak ratio."""
        return max(self.layers, key=lambda layer: (layer.is_droplet, layer.blob.peak_ratio))

    @property
    def chosen(self) -> Layer:
        """Whose cause is looked into."""
        return next((layer for layer in self.layers if layer.name == self.asked.layer), None) or self.best

    def add(self, seed: Seed, picture: np.ndarray) -> None:
        self.seeds.append(seed)
        self.seeds.sort(key=lambda row: (row.has_droplet, row.blob.peak_ratio), reverse=True)
        kept = self.pictures | {seed.seed: picture}
        self.pictures = {end.seed: kept[end.seed] for end in (self.seeds[0], self.seeds[-1])}
