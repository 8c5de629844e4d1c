"""Texture sticking: the averaging test and the slit scan, on the image and in each layer (StyleGAN3 fig. 1, sec. 1)."""
from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nets.errors import UserError
from renderer.inspection import Sticking
from renderer.inspections.sticking_figures import report
from renderer.measures import sticking
from renderer.motions import Moved, TranslationMotion, motion_of
from renderer.report import Report
from renderer.subject import Subject
from renderer.types import TapInfo

KEPT = 4                                 # channels: of more than that, as many sums with random signs (sticking.signs)
SMALLEST = 8                             # pixels: the width of a signal that has detail to speak of


class Estimate:
    """A sample is one neighbour of the picture for the averaging test and one moment of the slit scan, of every tap.

    The moments come in an order that covers the whole scan from the start.
    """

    def __init__(self, inspection: Sticking, subject: Subject):
        x0, y0, x1, y1 = inspection.line
        if (x0, y0) == (x1, y1):
            raise UserError("the slit's two ends are the same point: the line is X0,Y0,X1,Y1 in shares of the image.")
        self._inspection, self._subject = inspection, subject
        taps = _taps(inspection, subject)
        self._motion = motion_of(inspection, subject, taps)
        self._tests = {tap.name: TapTests(tap, inspection, subject) for tap in taps}
        self._realigned = Realigned(inspection.shift) if isinstance(self._motion, TranslationMotion) else None
        self._moments = _moments(inspection.samples)
        self.done, self.total = 0, inspection.samples

    def advance(self) -> None:
        moment = self._moments[self.done]
        near, shift = self._look(self._motion.near(self.done))
        along, _ = self._look(self._motion.along(moment / (self.total - 1)))
        for name, tests in self._tests.items():
            tests.add(near[name], moment, along[name])
        if self._realigned:
            self._realigned.add(near["image"], shift)
        self.done += 1

    def _look(self, walks: Iterable[Moved]) -> tuple[dict[str, Tensor], tuple[float, float]]:
        """What is kept of each tap [K, H, W], and the image's shift in pixels."""
        synth, kept, shift = self._subject.request.synth, {}, (0.0, 0.0)
        if synth.noise == "random":
            synth = replace(synth, noise_seed=synth.noise_seed + self.done)

        def see(name: str, value: Tensor) -> None:
            kept[name] = self._tests[name].kept(value[0])
        for walk in walks:
            self._subject.look(walk.ws, walk.taps, self._subject.noise(synth), walk.transform, see)
            shift = walk.shift if "image" in walk.taps else shift
        return kept, shift

    def report(self) -> Report:
        return report(self._inspection, self._subject, self._motion.what, list(self._tests.values()), self._realigned,
                      self.done, self.total)


class TapTests:
    """Both tests of one signal, as far as they have come."""

    def __init__(self, tap: TapInfo, inspection: Sticking, subject: Subject):
        self.tap, self.done = tap, 0
        self._signs = sticking.signs(tap.shape[0], KEPT).to(subject.device)
        self._inside = _inside(tap, subject)
        self.size = tuple(part.stop - part.start for part in self._inside)
        self.pixels = sticking.line_pixels(inspection.line, self.size)
        self.seen = [False] * inspection.samples
        self._sum = self._detail = self._energy = 0.0
        self._squares, self._scan, self.first = 0.0, None, None

    def kept(self, value: Tensor) -> Tensor:
        """What of value [C, H, W] covers the image, in at most KEPT channels, float32."""
        value = value[:, *self._inside].float()
        return value if len(value) <= KEPT else (self._signs @ value.flatten(1)).unflatten(1, value.shape[1:])

    def add(self, near: Tensor, moment: int, along: Tensor) -> None:
        """A neighbour and the moment-th picture of the scan, both [K, H, W]. The first of these is where it starts."""
        detail = sticking.detail(near)
        self._sum, self._detail = self._sum + near, self._detail + detail
        self._energy = self._energy + detail.square().sum(dim=0)
        self._squares += near.square().mean().item()
        if self._scan is None:
            self.first = along if self.tap.name == "image" else None
            self._scan = torch.zeros(len(self.seen), len(along), len(self.pixels[0]))
        self._scan[moment] = along[:, *self.pixels].cpu()
        self.seen[moment] = True
        self.done += 1

    @property
    def mean(self) -> Tensor:
        """[K, H, W]"""
        return self._sum / self.done

    @property
    def change(self) -> float:
        """RMS deviation of the neighbours from their mean."""
        return math.sqrt(max(self._squares / self.done - self.mean.square().mean().item(), 0))

    def sharpness(self) -> tuple[Tensor, Tensor, float]:
        """As sticking.sharpness."""
        return sticking.sharpness(self._detail / self.done, self._energy / self.done)

    @property
    def scan(self) -> Tensor:
        """Position along the line by time, [T, K, L]; what isn't `seen` is 0."""
        return self._scan

    def streaks(self) -> float:
        """As sticking.streaks, over the moments seen; NaN for a line shorter than the blur."""
        scan = self._scan[torch.tensor(self.seen)]
        return sticking.streaks(sticking.line_detail(scan)) if scan.shape[2] >= sticking.SUPPORT else math.nan


class Realigned:
    """The image's neighbours moved back to where they came from: what moves along stays sharp. `shift`: as asked."""

    def __init__(self, shift: float):
        self._border = math.ceil(2 * shift) + sticking.LOBES             # beyond it all but few samples have pixels
        self._sum = self._detail = self._energy = 0.0
        self._done = 0

    def add(self, near: Tensor, shift: tuple[float, float]) -> None:
        back = sticking.moved(near, -shift[0], -shift[1])
        detail = sticking.detail(back)
        self._sum, self._detail = self._sum + back, self._detail + detail
        self._energy = self._energy + detail.square().sum(dim=0)
        self._done += 1

    @property
    def mean(self) -> Tensor:
        """[K, H, W]"""
        return self._sum / self._done

    def score(self) -> float:
        """As sticking.sharpness', away from the borders; NaN for an image that is all border."""
        return sticking.sharpness(self._detail / self._done, self._energy / self._done, self._border)[2]


def _taps(inspection: Sticking, subject: Subject) -> tuple[TapInfo, ...]:
    """What each layer of some size hands on, last the image."""
    step = "out" if subject.info.family == "stylegan3" else "act"
    layers = [tap for tap in subject.taps(step) if tap.rate >= SMALLEST] if inspection.every_layer else []
    return *layers, *(tap for tap in subject.taps() if tap.name == "image")


def _inside(tap: TapInfo, subject: Subject) -> tuple[slice, slice]:
    """Rows and columns that the image covers. StyleGAN3's margins are left out: the zeros around them are fixed edges
    that nothing moves (sec. 3.2)."""
    height, width = subject.info.resolution
    sizes = (min(size, round(tap.rate * part / width)) for size, part in zip(tap.shape[1:], (height, width)))
    return tuple(slice((whole - size) // 2, (whole + size) // 2) for whole, size in zip(tap.shape[1:], sizes))


def _moments(count: int) -> list[int]:
    """All of 0 .. count - 1 from 0 on, ranked as the multiples of the golden ratio modulo 1: spread out at any time."""
    multiples = np.arange(count) * (math.sqrt(5) - 1) / 2 % 1
    return multiples.argsort().argsort().tolist()
