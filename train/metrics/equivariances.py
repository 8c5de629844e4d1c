"""EQ-T and EQ-R of a generator: what is lost when its input moves instead of its picture (StyleGAN3 app. E)."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from renderer.measures import equivariance as measure
from train.metrics.fakes import Fakes, exactly
from train.metrics.features import Progress
from train.metrics.setting import Setting

GROUP = 4                                # images that share a transform
REACH = 0.125                            # largest translation, in shares of the size

Pair = tuple[Tensor, Tensor, Tensor]     # what the network made of the moved input, what it should be, the mask
Moved = Callable[[Tensor | None], Tensor]                # input transform -> images of the group


def whole_shift(images: Moved, random: np.random.Generator) -> Pair:
    """EQ-T: translations of whole pixels."""
    plain = images(None)
    tx, ty = (round(t * size) / size for t, size in zip(_shift(random), plain.shape[:1:-1]))
    return images(measure.translation(-tx, -ty)), *measure.move_whole(plain, tx, ty)


def any_shift(images: Moved, random: np.random.Generator) -> Pair:
    """EQ-T frac: any translations."""
    tx, ty = _shift(random)
    return images(measure.translation(-tx, -ty)), *measure.move(images(None), tx, ty)


def turn(images: Moved, random: np.random.Generator) -> Pair:
    """EQ-R: rotations; both pictures lose the frequencies that one of them must."""
    rotation = measure.rotation(random.uniform(-math.pi, math.pi))
    expected, mask = measure.transformed(images(None), rotation)
    seen, inside = measure.limited(images(torch.linalg.inv(rotation)), rotation)
    return seen, expected, mask * inside


def _shift(random: np.random.Generator) -> list[float]:
    return random.uniform(-REACH, REACH, 2).tolist()


class Equivariance:
    """20 log10 2 - 10 log10(sum of squared errors / how many values), of images that `moved` compares."""

    def __init__(self, setting: Setting, count: int, moved: Callable[[Moved, np.random.Generator], Pair]):
        self.count, self._moved = count, moved
        self._sums = np.zeros(2)         # of squared errors, of values compared

    def take(self, fakes: Fakes, numbers: range) -> None:
        for group in _groups(numbers):
            self._sums += self._compared(fakes, group)

    def _compared(self, fakes: Fakes, group: range) -> tuple[float, float]:
        z, c, noise = fakes.draw(group)
        with exactly(fakes.G):
            ws = fakes.G.mapping(z, c)

            def images(transform: Tensor | None) -> Tensor:
                return fakes.images(ws, noise, (torch.eye(3) if transform is None else transform).to(ws))
            return measure.masked_error(*self._moved(images, fakes.random(group.start // GROUP, 3)))

    def finish(self, progress: Progress) -> dict[str, float]:
        return {"": measure.level(self._sums[None], measure.PEAK_DB).db.item()}


def _groups(numbers: range) -> Iterator[range]:
    """The numbers in groups that begin at multiples of GROUP."""
    start = numbers.start
    while start < numbers.stop:
        stop = min(start - start % GROUP + GROUP, numbers.stop)
        yield range(start, stop)
        start = stop
