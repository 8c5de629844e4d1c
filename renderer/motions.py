"""How a network's picture is made to move a little: by its w, or by the transform of StyleGAN3's input."""
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from nets.errors import UserError
from renderer.inspection import Sticking
from renderer.latents import latent_ws, random_z
from renderer.subject import Subject
from renderer.types import Array, Latent, TapInfo

SPREAD_SEEDS = 64                        # whose w tell how far w spreads


@dataclass(frozen=True, eq=False)
class Moved:
    """One walk to take: what these taps are of, and by how many of their pixels (right, down) the picture moved."""
    taps: tuple[str, ...]
    ws: Tensor                           # [1, num_ws, w_dim]
    transform: Tensor | None = None      # [3, 3]; None: the request's
    shift: tuple[float, float] = (0.0, 0.0)


class LatentMotion:
    """In W: around the request's w, and on the way from it to a seed's."""
    what = "w changes"

    def __init__(self, inspection: Sticking, subject: Subject, taps: tuple[TapInfo, ...]):
        self._inspection, self._taps = inspection, tuple(tap.name for tap in taps)
        self._ws, self._end = subject.ws()[:1], subject.ws_of(inspection.toward)
        self._spread = w_spread(subject)
        if torch.equal(self._ws, self._end):
            raise UserError(f"the slit scan has no way to go: seed {inspection.toward} is where it starts; "
                            "choose another one to walk toward.")

    def near(self, index: int) -> Iterator[Moved]:
        """The `index`-th of the neighbours: w + sigma N, the same N in all rows of w."""
        n = random_z(self._inspection.first_seed + index, self._ws.shape[2])
        step = torch.from_numpy(n.astype(np.float32)).to(self._ws) * (self._inspection.sigma * self._spread)
        yield Moved(self._taps, self._ws + step)

    def along(self, share: float) -> Iterator[Moved]:
        """At `share` of the way, 0: the request's own."""
        yield Moved(self._taps, self._ws.lerp(self._end, share))


class TranslationMotion:
    """By the input transform: normal shifts in all directions, and a straight way along the slit, forward.

    Each sampling rate's taps have a walk of their own, shifted by as many of their own pixels: a shift of few of the
    image's pixels would leave a coarse layer where it is.
    """
    what = "the picture moves"

    def __init__(self, inspection: Sticking, subject: Subject, taps: tuple[TapInfo, ...]):
        if not subject.info.has_transform:
            raise UserError("only StyleGAN3 can translate its picture; this network moves by its latent: "
                            "choose the motion 'latent'.")
        self._inspection, self._ws = inspection, subject.ws()[:1]
        own = subject.transform()
        self._transform = subject.generator.synthesis.input.transform if own is None else own
        by_rate = sorted(taps, key=lambda tap: tap.rate)
        self._groups = [(rate, tuple(tap.name for tap in group))
                        for rate, group in groupby(by_rate, key=lambda tap: tap.rate)]
        height, width = subject.info.resolution
        x0, y0, x1, y1 = inspection.line
        way = x1 - x0, (y1 - y0) * height / width
        self._direction = tuple(part / math.hypot(*way) for part in way)

    def near(self, index: int) -> Iterator[Moved]:
        """The `index`-th of the neighbours, shifted by `shift` N right and down."""
        right, down = self._inspection.shift * random_z(self._inspection.first_seed + index, 2)[0]
        yield from self._shifted(right, down)

    def along(self, share: float) -> Iterator[Moved]:
        """At `share` of the way, 0: the request's own."""
        yield from self._shifted(*(share * self._inspection.travel * part for part in self._direction))

    def _shifted(self, right: float, down: float) -> Iterator[Moved]:
        for rate, taps in self._groups:
            inverse = torch.eye(3, dtype=torch.float64)
            inverse[0, 2], inverse[1, 2] = -right / rate, -down / rate       # the image is 1 wide
            transform = self._transform.double().cpu() @ inverse
            yield Moved(taps, self._ws, transform.to(self._transform), (float(right), float(down)))


def motion_of(inspection: Sticking, subject: Subject, taps: tuple[TapInfo, ...]) -> LatentMotion | TranslationMotion:
    """The motion that was asked for, of these taps. Raises UserError if the network has none such."""
    by_input = inspection.motion == "translation" or inspection.motion == "auto" and subject.info.has_transform
    return (TranslationMotion if by_input else LatentMotion)(inspection, subject, taps)


def w_spread(subject: Subject) -> float:
    """Root mean square deviation of a number of w from its mean over seeds, before truncation."""
    mapping = subject.generator.mapping
    z = np.concatenate([random_z(seed, mapping.z_dim) for seed in range(SPREAD_SEEDS)])
    ws = latent_ws(mapping, Latent(z=Array.of(z), classes=subject.request.latent.classes))[:, 0]
    return (ws - ws.mean(dim=0)).square().mean().sqrt().item()
