"""Perceptual path lengths of a generator: how far images a small step of the latent apart are (StyleGAN sec. 4.1)."""
from __future__ import annotations

import torch

from renderer.measures.perceptual import load_lpips
from train.metrics.detectors import VGG16
from train.metrics.fakes import Fakes, exactly
from train.metrics.features import Collected, Progress
from train.metrics.path import EPSILON, centre_crop, neighbours, path_length
from train.metrics.setting import Setting


class PathLength:
    """PPL in `space` 'z' or 'w'; `full`: anywhere on the path, else at its start; `crop`: StyleGAN1's, of faces."""

    def __init__(self, setting: Setting, count: int, space: str, full: bool, crop: bool):
        self.count, self._space, self._full, self._crop = count, space, full, crop
        self._distance = load_lpips(setting.found.paths[VGG16], setting.device)
        self._distances = Collected(count, torch.float64)

    def take(self, fakes: Fakes, numbers: range) -> None:
        G, drawn, other = fakes.G, fakes.draw(numbers), fakes.draw_z(numbers)
        t = torch.tensor([fakes.random(number, 2).random() if self._full else 0.0 for number in numbers],
                         dtype=torch.float64)
        with exactly(G):
            if self._space == "z":
                ends = neighbours(drawn.z, other, t, "z")
                ws = [G.mapping(z, drawn.c) for z in ends]
            else:
                ws = neighbours(G.mapping(drawn.z, drawn.c), G.mapping(other, drawn.c), t.to(fakes.device), "w")
            pair = [fakes.images(w, drawn.noise) for w in ws]
        self._distances.add(self._distance(*(centre_crop(images) if self._crop else images for images in pair)))

    def finish(self, progress: Progress) -> dict[str, float]:
        return {"": path_length(self._distances.rows(), EPSILON)}
