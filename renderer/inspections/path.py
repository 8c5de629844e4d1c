"""Path view: pictures between two seeds, and how fast they change on the way (path length, StyleGAN sec. 4.1)."""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from nets.errors import UserError
from renderer.inspection import LatentPath
from renderer.inspections.pictures import picture
from renderer.inspections.stepwise import Stepwise
from renderer.latents import latent_ws, random_z
from renderer.measures.moments import as_double, mean_interval
from renderer.measures.paths import slerp, spread
from renderer.measures.perceptual import load_lpips, squared_pixels
from renderer.report import Axis, Curve, Fact, Picture, Plot, Report
from renderer.subject import Subject
from renderer.types import Array, Mix

EPSILON = 1e-4                           # between the two pictures that are compared (StyleGAN sec. 4.1)
ROUNDING = (1e-6 / EPSILON) ** 2         # a path length in pixels that float32's errors alone amount to
SPACES = {"w": "W (lerp)", "z": "Z (slerp)"}
WAYS = {"w": "the straight line between the two w", "z": "the great circle between the two z"}
TIPS = {
    "perceptual": "LPIPS of the pictures at t and t + 0.0001, by VGG16, divided by 0.0001² (StyleGAN sec. 4.1)",
    "pixel": "Mean squared difference of the pictures' values (-1 to 1) at t and t + 0.0001, divided by 0.0001². It is "
             "no perceptual distance: for that, name the metrics' VGG16 file as the detector",
}
MEAN = "; here its mean over the points on the way, with its 95 % interval (Student's t)"


class Estimate(Stepwise):
    """First the strips of pictures, then the speed at points spread over both ways, two passes of the network each."""

    def __init__(self, inspection: LatentPath, subject: Subject):
        self._subject = subject
        self._seeds = inspection.start_seed, inspection.end_seed
        if not subject.generator.z_dim:
            raise UserError("this network has no z: its pictures come of classes alone.")
        self.measure = "perceptual" if inspection.detector else "pixel"
        self._distance = load_lpips(inspection.detector, subject.device) if inspection.detector else squared_pixels
        self._ends = [as_double(subject.ws_of(seed)) for seed in self._seeds]
        self._zs = [random_z(seed, subject.generator.z_dim)[0] for seed in self._seeds]
        self._pictures: dict[tuple[str, float], np.ndarray] = {}
        self._speeds: dict[str, dict[float, float]] = {space: {} for space in SPACES}
        strip = np.linspace(0, 1, inspection.steps).tolist()
        steps: list[Callable[[], None]] = [partial(self._show, space, t) for space in SPACES for t in strip]
        steps += [partial(self._measure, space, t) for t in spread(inspection.samples) for space in SPACES]
        super().__init__(steps)

    # -- samples ------------------------------------------------------------------------------------------------------

    def _show(self, space: str, t: float) -> None:
        self._pictures[space, t] = picture(self._subject.look(self._ws(space, t))["image"])

    def _measure(self, space: str, t: float) -> None:
        here, there = (self._exact(self._ws(space, at)) for at in (t, t + EPSILON))
        self._speeds[space][t] = self._distance(here, there).item() / EPSILON ** 2

    def _exact(self, ws: Tensor) -> Tensor:
        """The image in fp32: what EPSILON changes is lost in 16 bits."""
        setting = self._subject.setting
        exact = Subject(replace(setting, stages=setting.exact or setting.stages), self._subject.request)
        exact.run = self._subject.run
        return exact.look(ws)["image"]

    def _ws(self, space: str, t: float) -> Tensor:
        if space == "w":
            start, end = self._ends
            return (start + (end - start) * t).to(self._subject.device, torch.float32)
        z = slerp(*self._zs, t)
        latent = replace(self._subject.request.latent, z=Array.of(z[None]), w=None)
        return latent_ws(self._subject.generator.mapping, latent, Mix())

    # -- report -------------------------------------------------------------------------------------------------------

    def made(self) -> Report:
        pictures = [Picture(f"{space}_{t:.3f}", f"{space.upper()}, t = {t:.2f}", shown, group=SPACES[space],
                            tip=f"At {t:.3g} of {WAYS[space]} of seeds {self._seeds[0]} and {self._seeds[1]}")
                    for (space, t), shown in self._pictures.items()]
        facts = [self._fact(space) for space, speeds in self._speeds.items() if speeds]
        return Report(LatentPath.kind, (*pictures, *facts, *self._plot()), self.done, self.total,
                      self._remarks({fact.name: fact.value for fact in facts}))

    def _fact(self, space: str) -> Fact:
        mean, low, high = mean_interval(list(self._speeds[space].values()))
        known = not math.isnan(low)
        return Fact(f"length_{space}", f"{self.measure.capitalize()} path length in {space.upper()}", mean,
                    low=max(low, 0.0) if known else None, high=high if known else None,
                    tip=TIPS[self.measure] + MEAN)

    def _plot(self) -> list[Plot]:
        curves = tuple(Curve(SPACES[space], *np.array(sorted(speeds.items())).T)
                       for space, speeds in self._speeds.items() if speeds)
        return [Plot("speed", "How fast the picture changes on the way", Axis("t", low=0, high=1),
                     Axis(f"{self.measure.capitalize()} distance² / epsilon²", low=0), curves,
                     tip=TIPS[self.measure])] if curves else []

    def _remarks(self, lengths: dict[str, float]) -> tuple[str, ...]:
        remarks = []
        if self.measure == "pixel" and lengths and min(lengths.values()) < ROUNDING:
            remarks.append(f"The picture hardly changes on this way: path lengths below {ROUNDING:.0e} are mostly the "
                           "rounding of float32.")
        elif len(lengths) == 2 and all(lengths.values()):
            z, w = lengths["length_z"], lengths["length_w"]
            longer, shorter, ratio = ("Z", "W", z / w) if z > w else ("W", "Z", w / z)
            remarks.append(f"On this path the pictures change {ratio:.3g} times as much in {longer} as in {shorter} "
                           f"({self.measure} path length): the smaller it is, the smoother the way.")
        if self.measure == "pixel":
            remarks.append("Measured in pixels, for no detector is named: these numbers are no PPL as papers give it.")
        if self._subject.request.latent.psi != 1:
            remarks.append(f"Truncation at psi {self._subject.request.latent.psi:g} shortens the way; papers use none.")
        return tuple(remarks)
