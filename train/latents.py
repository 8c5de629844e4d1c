"""What generated images are drawn from: z, labels, style mixing and noise, all of it before the pass that uses it."""
from __future__ import annotations

from math import floor
from typing import NamedTuple

import torch
from torch import Tensor

from nets.generator import Generator


class Latents(NamedTuple):
    """Everything random behind N generated images, so that equal latents mean equal images."""
    z: Tensor                            # [N, z_dim]
    c: Tensor | None                     # [N, c_dim]; None: unconditional
    other_z: Tensor                      # [N, z_dim]: the style of the layers from `cutoff` on
    cutoff: int                          # first row of w that takes it; num_ws: no row does
    noise: dict[str, Tensor]             # {stage: [N, 1, H, W]}; a stage without an entry runs without noise

    def take(self, samples: slice) -> Latents:
        """Some of the samples: `slice(rank, None, processes)` deals them out, `slice(n)` keeps the first n."""
        return self._replace(z=self.z[samples], c=None if self.c is None else self.c[samples],
                             other_z=self.other_z[samples],
                             noise={name: maps[samples] for name, maps in self.noise.items()})


def draw_latents(G: Generator, num: int, labels: Tensor | None, generator: torch.Generator,
                 mixing_prob: float = 0.9, lod: float | None = None) -> Latents:
    """`num` latents for G, on its device; drawn, always in the same order, on the one of `generator`.

    `labels` [num, c_dim] come from the data set (None: unconditional). `lod`: level of detail of a growing G.
    """
    device = next(G.parameters()).device

    def normal(*shape: int) -> Tensor:
        return torch.randn(num, *shape, generator=generator, device=generator.device).to(device)

    z, other_z = normal(G.z_dim), normal(G.z_dim)
    cutoff = draw_cutoff(G.num_ws, mixing_prob, generator, lod)
    noise = {stage.name: normal(1, *stage.noise_const.shape) for stage in G.synthesis.stages(lod)
             if stage.noise_const is not None}
    return Latents(z, labels if labels is None else labels.to(device), other_z, cutoff, noise)


def draw_cutoff(num_ws: int, mixing_prob: float, generator: torch.Generator, lod: float | None = None) -> int:
    """Style mixing (StyleGAN sec. 3.1): with `mixing_prob` uniform in 1 .. rows - 1, of the rows used at `lod`.

    Otherwise num_ws: no row is mixed.
    """
    rows = num_ws - 2 * floor(lod or 0)
    is_mixed = torch.rand((), generator=generator, device=generator.device).item() < mixing_prob
    if not is_mixed or rows < 2:
        return num_ws
    return int(torch.randint(1, rows, (), generator=generator, device=generator.device))
