"""Generated images to be measured: each follows from a seed and its own number alone, whatever the batches."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from nets.errors import UserError
from nets.generator import Generator
from nets.stages import synthesize
from train.metrics.detectors import as_bytes

Label = Callable[[np.random.Generator], Tensor]          # draws one: float32 [c_dim]


class Drawn(NamedTuple):
    """What N images are made of, on the generator's device."""
    z: Tensor                            # float32 [N, z_dim]
    c: Tensor | None                     # [N, c_dim]; None: unconditional
    noise: dict[str, Tensor]             # {stage: [N, 1, H, W]}


class Fakes:
    """Images of G as it is: psi 1, random noise, labels as `label` draws them, no average moved, no mode changed.

    `lod`: level of detail of a growing G (None: its configuration's). Nothing is drawn from global generators.
    """

    def __init__(self, G: Generator, seed: int, label: Label | None = None, lod: float | None = None):
        self.G, self.seed = G, seed
        self.device = next(G.parameters()).device
        self._label = label or uniform_label(G.c_dim)
        self._lod = lod
        self._noise = [(stage.name, (1, *stage.noise_const.shape)) for stage in G.synthesis.stages(lod)
                       if stage.noise_const is not None]
        self._last: tuple[range, Tensor] | None = None

    def random(self, *stream: int) -> np.random.Generator:
        """Numbers that follow from the seed and `stream` alone."""
        return np.random.default_rng([self.seed, *stream])

    def draw(self, numbers: range) -> Drawn:
        """Latents, labels and noise of the images of these numbers."""
        parts = [self._one(number) for number in numbers]
        z, c = (torch.stack([part[i] for part in parts]).to(self.device) for i in (0, 1))
        noise = {name: torch.stack([part[2][name] for part in parts]).to(self.device) for name in parts[0][2]}
        return Drawn(z, c if self.G.c_dim else None, noise)

    def draw_z(self, numbers: range) -> Tensor:
        """Other latents for the same numbers, [N, z_dim]: where paths go to."""
        drawn = [self.random(number, 1).standard_normal(self.G.z_dim, np.float32) for number in numbers]
        return torch.from_numpy(np.stack(drawn)).to(self.device)

    def images(self, ws: Tensor, noise: dict[str, Tensor], transform: Tensor | None = None) -> Tensor:
        """[N, C, H, W], -1..1 and what overshoots. Raises UserError where they are not finite."""
        images = synthesize(self.G.synthesis.stages(self._lod), ws, noise, transform)
        if not images.isfinite().all():
            raise UserError("the generator's images hold NaN or infinity, so they cannot be measured")
        return images

    def pictures(self, numbers: range) -> Tensor:
        """uint8 [N, C, H, W], as files would hold them; the last ones are kept for whoever asks next."""
        if self._last is None or self._last[0] != numbers:
            z, c, noise = self.draw(numbers)
            self._last = numbers, as_bytes(self.images(self.G.mapping(z, c), noise))
        return self._last[1]

    def _one(self, number: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        random = self.random(number)

        def normal(*shape: int) -> Tensor:
            return torch.from_numpy(random.standard_normal(shape, np.float32))
        z, c = normal(self.G.z_dim), self._label(random)
        return z, c, {name: normal(*shape) for name, shape in self._noise}


def uniform_label(c_dim: int) -> Label:
    """Every class as likely as another; for none, rows of width 0."""
    if not c_dim:
        return lambda random: torch.zeros(0)
    return lambda random: one_hot(torch.tensor(random.integers(c_dim)), c_dim).float()


@contextmanager
def exactly(G: Generator) -> Iterator[None]:
    """Within the block G runs in float32 throughout, no TF32 either: small differences are lost in 16 bits."""
    before, parts = G.synthesis.precision, (torch.backends.cudnn, torch.backends.cuda.matmul)
    allowed = [part.allow_tf32 for part in parts]
    G.synthesis.precision = torch.float32
    _allow_tf32(parts, (False, False))
    try:
        yield
    finally:
        G.synthesis.precision = before
        _allow_tf32(parts, allowed)


def _allow_tf32(parts: Sequence, allowed: Sequence[bool]) -> None:
    for part, is_allowed in zip(parts, allowed):
        part.allow_tf32 = is_allowed
