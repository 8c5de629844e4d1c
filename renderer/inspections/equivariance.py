"""Equivariance: does the picture follow when the input is moved or turned, and at which layer does it stop to?

StyleGAN3 sec. 2 and app. E; the curve over layers is Stylescope's own.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from nets.errors import UserError
from nets.one_tap import with_one_tap
from nets.stages import Stage, State, ignore
from renderer.inspection import Equivariance
from renderer.inspections import equivariance_figures as figures
from renderer.measures import equivariance as measure
from renderer.report import Figure, Report
from renderer.subject import Subject
from renderer.types import IDENTITY

REACH = 0.125                            # largest translation, in shares of the picture (app. E.2)
EXAMPLE = measure.translation(0.1, 0.06)     # shown while the request leaves the input where it is
RIGID = 1e-3                             # how far a transform may be from a rotation and a translation


class Estimate:
    """The open picture first, and again whenever it changes; then pictures of seeds, each moved, shifted and turned."""

    def __init__(self, inspection: Equivariance, subject: Subject):
        if not subject.info.has_transform:
            raise UserError("this network has no input transform, so its input cannot be moved: that takes a "
                            "StyleGAN3. What sticks to the pixels, 'sticking' shows for any network.")
        self._inspection, self._subject, self.total = inspection, subject, inspection.samples
        stages = subject.setting.stages
        self._layers = [stage.taps[-1] for stage in stages[:-1]]         # the image is the last one's, scaled
        self._one_tap = _named(inspection.one_tap, [stage.name for stage in stages[1:-1]])
        self._networks = [stages] + ([self._without_filters()] if self._one_tap else [])
        self._count = 0
        self._sums = np.zeros((self.total, len(self._networks), 4 + 2 * len(self._layers), 2))
        self._frame: tuple[Figure, ...] = ()
        self._frame_of: tuple | None = None      # the part of the request that it shows

    @property
    def done(self) -> int:
        """While the open picture is still to be looked at there is one more to do."""
        return self._count if self._is_current() else max(min(self._count, self.total - 1), 0)

    def advance(self) -> None:
        if self._is_current():
            self._sums[self._count] = self._sample(self._inspection.first_seed + self._count)
            self._count += 1
        else:
            self._frame = self._look()
            self._frame_of = self._wanted()

    def report(self) -> Report:
        """While another picture was opened and is not looked at yet, the one before stays in sight."""
        found = figures.Found(self._layers, self._one_tap, self._sums[:self._count])
        is_odd = self._is_current() and not self._frame
        return Report("equivariance", (*found.facts(), *self._frame, *found.over_layers()), self.done, self.total,
                      found.remarks() + (figures.NOT_RIGID,) * is_odd)

    # -- the open picture ---------------------------------------------------------------------------------------------

    def _wanted(self) -> tuple:
        request = self._subject.request
        return request.latent, request.mix, request.synth

    def _is_current(self) -> bool:
        return self._frame_of == self._wanted()

    def _transform(self) -> Tensor:
        """What moves the open picture, as its input takes it: float64 [3, 3]."""
        given = self._subject.request.synth.transform
        matrix = torch.tensor(given or IDENTITY, dtype=torch.float64).reshape(3, 3)
        return torch.linalg.inv(EXAMPLE) if torch.equal(matrix, torch.eye(3).double()) else matrix

    def _look(self) -> tuple[Figure, ...]:
        """The open picture, moved and moved back; nothing if the input is not just moved and turned."""
        inverse, ws = self._transform(), self._subject.ws()[:1]
        if not _is_rigid(inverse):
            return ()
        *_, (_, states) = self._walk(self._networks[-1], [(ws, torch.eye(3)), (ws, inverse)])
        picture, moved = (state.image for state in states)
        target = picture
        if torch.equal(inverse[:2, :2], torch.eye(2).double()):
            back, mask = measure.move(moved, *inverse[:2, 2].tolist())
        else:
            back, mask = measure.transformed(moved, inverse)
            target, inside = measure.limited(picture, inverse)
            mask = mask * inside
        return figures.of_frame(picture, moved, back, target, mask, torch.linalg.inv(inverse))

    # -- samples ------------------------------------------------------------------------------------------------------

    def _sample(self, seed: int) -> np.ndarray:
        """(error, weight) of each quantity, as `figures.Found` has them: [networks, quantities, 2]."""
        drawn = torch.Generator().manual_seed(seed % 2 ** 63)
        shift = ((torch.rand(2, generator=drawn, dtype=torch.float64) * 2 - 1) * REACH).tolist()
        angle = ((torch.rand([], generator=drawn, dtype=torch.float64) * 2 - 1) * math.pi).item()
        ws, other = self._subject.ws_of(seed), self._subject.ws_of(seed + self.total)
        return np.array([self._compare(stages, ws, other, shift, angle) for stages in self._networks])

    def _compare(self, stages: Sequence[Stage], ws: Tensor, other: Tensor, shift: list[float], angle: float,
                 ) -> list[tuple[float, float]]:
        size = self._subject.info.resolution[::-1]
        whole = [round(t * n) / n for t, n in zip(shift, size)]
        inputs = [(ws, torch.eye(3)), (ws, measure.translation(*(-t for t in whole))),
                  (ws, measure.translation(*(-t for t in shift))), (ws, measure.rotation(-angle)),
                  (other, torch.eye(3))]
        over_layers = []
        for stage, states in self._walk(stages, inputs):
            if stage is not stages[-1]:
                rate = stage.taps[-1].rate
                plain, _, moved, _, unrelated = (state.x[0] for state in states)
                over_layers += [measure.shift_error(plain, moved, *(t * rate for t in shift), rate),
                                measure.shift_error(plain, unrelated, 0, 0, rate)]
        picture, *moved, turned, unrelated = (state.image for state in states)
        expected, mask = measure.transformed(picture, measure.rotation(angle))
        seen, inside = measure.limited(turned, measure.rotation(angle))
        return [measure.masked_error(moved[0], *measure.move_whole(picture, *whole)),
                measure.masked_error(moved[1], *measure.move(picture, *shift)),
                measure.masked_error(seen, expected, mask * inside),
                measure.masked_error(unrelated, picture, torch.ones_like(mask)), *over_layers]

    def _walk(self, stages: Sequence[Stage], inputs: list[tuple[Tensor, Tensor]],
              ) -> Iterator[tuple[Stage, list[State]]]:
        """Each stage with the states after it, side by side for each (ws, input transform): so no layer is kept."""
        given = [(ws, transform.to(ws)) for ws, transform in inputs]
        states = [State() for _ in given]
        for stage in stages:
            for i, (ws, transform) in enumerate(given):
                self._subject.run.go_on()
                states[i] = stage.run(states[i], stage.inputs(ws, {}, transform), ignore)
            yield stage, states

    # -- without filters ----------------------------------------------------------------------------------------------

    def _without_filters(self) -> list[Stage]:
        return with_one_tap(self._subject.generator.synthesis, self._one_tap).stages()


def _is_rigid(matrix: Tensor) -> bool:
    """Whether it is a rotation and a translation."""
    turn = matrix[:2, :2]
    last = torch.tensor([0, 0, 1], dtype=torch.float64)
    off = torch.cat([(turn @ turn.T - torch.eye(2)).flatten(), matrix[2] - last]).abs().max()
    return bool(off <= RIGID) and bool(turn.det() > 0)


def _named(wanted: Sequence[str], layers: list[str]) -> list[str]:
    """The layers that are meant: by their name or the part before the first '_', or 'all'. Raises UserError."""
    if "all" in wanted:
        return layers
    for name in wanted:
        if not any(name in (layer, layer.partition("_")[0]) for layer in layers):
            raise UserError(f"there is no layer '{name}'; there are {', '.join(layers)}, and 'all'.")
    return [layer for layer in layers if layer in wanted or layer.partition("_")[0] in wanted]
