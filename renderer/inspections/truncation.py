"""Truncation view: the psi sweep, and what truncation costs in variety (StyleGAN1 app. B, fig. 8)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from torch import Tensor

from nets.errors import UserError
from nets.mapping import truncate
from renderer.inspection import Truncation
from renderer.inspections.pictures import LEVELS, levels, picture
from renderer.inspections.stepwise import Stepwise
from renderer.latents import label, latent_ws, source_ws
from renderer.measures.moments import mean_interval, rms_distance
from renderer.report import Axis, Curve, Picture, Plot, Report
from renderer.subject import Subject
from renderer.types import Source

PSI = Axis("psi")
FROM_AVERAGE = ("RMS difference of each picture from the same latent's at psi 0, as they are shown, in levels from 0 "
                "to 255")
VARIETY = ("RMS difference of the pictures of two seeds at the same psi, in levels from 0 to 255; mean over pairs of "
           "seeds, with its 95 % interval (Student's t)")
TIP = "w moved to psi times its distance from the average: 1 leaves it, 0 is the average, below 0 its opposite"


class Estimate(Stepwise):
    """First the sweep of each latent shown, then pairs of seeds at each psi, one network pass each."""

    def __init__(self, inspection: Truncation, subject: Subject):
        self._subject = subject
        self._untruncated = replace(subject.request.latent, psi=1.0)
        self._psis = tuple(map(float, np.linspace(inspection.low, inspection.high, inspection.steps)))
        if len(set(self._psis)) < len(self._psis):
            raise UserError(f"low and high are both {inspection.low:g}: a sweep needs two ends, or steps 1.")
        first = inspection.first_seed
        self._names = ("this latent", *(f"seed {first + i}" for i in range(inspection.examples)))
        self._bases: list[Callable[[], Tensor]] = [self._own, *(partial(self._of_seed, first + i)
                                                                for i in range(inspection.examples))]
        self._average: Tensor | None = None                      # of the row under way: levels [3, H, W] at psi 0
        self._shown: dict[tuple[int, int], np.ndarray] = {}      # by row and step
        self._distances: dict[tuple[int, int], float] = {}
        self._variety: list[list[float]] = [[] for _ in self._psis]
        steps = [partial(self._sweep, row, step) for row in range(len(self._bases))
                       for step in (None, *range(len(self._psis)))]
        steps += [partial(self._compare, first + 2 * i, step) for i in range(inspection.samples)
                        for step in range(len(self._psis))]
        super().__init__(steps)

    # -- samples ------------------------------------------------------------------------------------------------------

    def _sweep(self, row: int, step: int | None) -> None:
        """One picture of a row; None: its average picture, which the others are measured against."""
        image = self._image(self._bases[row](), 0.0 if step is None else self._psis[step])
        if step is None:
            self._average = levels(image)
        else:
            self._distances[row, step] = rms_distance(levels(image), self._average)
            self._shown[row, step] = picture(image)

    def _compare(self, seed: int, step: int) -> None:
        one, other = (levels(self._image(self._of_seed(s), self._psis[step])) for s in (seed, seed + 1))
        self._variety[step].append(rms_distance(one, other))

    def _image(self, ws: Tensor, psi: float) -> Tensor:
        mapping, latent = self._subject.generator.mapping, self._untruncated
        average = mapping.average(label(latent.classes, mapping.c_dim, ws.device))
        return self._subject.look(truncate(ws, average, psi, latent.cutoff))["image"]

    def _own(self) -> Tensor:
        return latent_ws(self._subject.generator.mapping, self._untruncated, self._subject.request.mix)[:1]

    def _of_seed(self, seed: int) -> Tensor:
        return source_ws(self._subject.generator.mapping, Source(seed), self._untruncated)

    # -- report -------------------------------------------------------------------------------------------------------

    def made(self) -> Report:
        figures = [Picture(f"row{row}_{step:02}_psi{self._psis[step]:+.2f}", self._title(row, step), shown, tip=TIP,
                           group=self._names[row]) for (row, step), shown in self._shown.items()]
        plots = [plot for plot in (self._variety_plot(), self._distance_plot()) if plot.curves]
        return Report(Truncation.kind, (*figures, *plots), self.done, self.total, self._remarks())

    def _title(self, row: int, step: int) -> str:
        return f"{self._names[row]} psi {self._psis[step]:.3g}" if row else f"psi {self._psis[step]:.3g}"

    def _variety_plot(self) -> Plot:
        known = [(psi, *mean_interval(values)) for psi, values in zip(self._psis, self._variety) if values]
        curves = (Curve("two seeds", *map(np.array, zip(*known))),) if known else ()
        return Plot("variety", "Variety: how far two seeds' pictures are apart", PSI,
                    Axis("Difference", LEVELS, low=0), curves, ((0.0, "average"), (1.0, "untruncated")), tip=VARIETY)

    def _distance_plot(self) -> Plot:
        curves = []
        for row, name in enumerate(self._names):
            known = [(psi, self._distances[row, step]) for step, psi in enumerate(self._psis)
                     if (row, step) in self._distances]
            if known:
                curves.append(Curve(name, *map(np.array, zip(*known))))
        return Plot("distance", "How far each picture is from the average one", PSI,
                    Axis("Difference", LEVELS, low=0), tuple(curves), tip=FROM_AVERAGE)

    def _remarks(self) -> tuple[str, ...]:
        remarks = ["At psi 0 every latent gives the same average picture; further away pictures vary more, and "
                   "beyond 0 they turn into opposites."]
        known = {psi: mean_interval(values)[0] for psi, values in zip(self._psis, self._variety) if values}
        if any(known):
            widest = max(known, key=lambda psi: (abs(psi), psi))
            half = min(filter(None, known), key=lambda psi: (abs(psi - widest / 2), psi))
            told = [f"{known[psi]:.3g} at psi {psi:.3g}" for psi in dict.fromkeys((half, widest))]
            remarks[:0] = [f"Two seeds' pictures differ by so many of 255 levels (RMS): {', '.join(told)}."]
        if self._untruncated.cutoff is not None:
            remarks.append(f"Only the first {self._untruncated.cutoff} rows of w are truncated (the cutoff), so psi 0 "
                           "still leaves what the others say.")
        return tuple(remarks)
