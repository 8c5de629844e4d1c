"""Noise view: the picture without noise and with that of some layers; where noise acts (StyleGAN1 fig. 4, 5)."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np
from torch import Tensor

from nets.errors import UserError
from nets.stages import Stage
from renderer import view
from renderer.inspection import Noise
from renderer.inspections.pictures import LEVELS, heat, levels, picture
from renderer.inspections.stepwise import Stepwise
from renderer.measures.moments import Moments, mean_interval, rms_distance
from renderer.report import Fact, Picture, Report, Scale, Table
from renderer.subject import Subject

COARSEST_FINE = 64                       # height and width from which noise counts as fine (fig. 5)
DETAILS = 4                              # realisations of which a detail is shown (fig. 4b)
NONE = ("this network takes no noise: StyleGAN3 (config C, sec. 3.1) and the traditional generator have none; open a "
        "StyleGAN1 or StyleGAN2 network.")
TITLES = {
    "all": ("All noise", "With the noise of every layer (StyleGAN fig. 5a)"),
    "none": ("No noise", "Without any noise (StyleGAN fig. 5b)"),
    "fine": ("Fine noise only", "With the noise of the layers of 64 x 64 and more alone (StyleGAN fig. 5c)"),
    "coarse": ("Coarse noise only", "With the noise of the layers up to 32 x 32 alone (StyleGAN fig. 5d)"),
}
SPREAD = ("The standard deviation of each pixel over realisations of the noise, all else the same, RMS over colour "
          "channels, of the picture as it is shown, in levels from 0 to 255 (StyleGAN fig. 4c)")
COLUMNS = {
    "Layer": "",
    f"Effect ({LEVELS})": "RMS difference of the picture, in levels of 255, when this layer alone lacks its noise",
    "Size (px)": "Height or width of the layer's noise, the larger",
    "Strength": "The learned factor of the noise, mean magnitude over the layer's channels",
    "Times": "What the strength is multiplied by here",
}


class Estimate(Stepwise):
    """First the pictures, then each layer left out, then the realisations, one network pass each."""

    def __init__(self, inspection: Noise, subject: Subject):
        self._subject, self._inspection = subject, inspection
        self._layers = {stage.name: stage for stage in subject.setting.stages if stage.noise_const is not None}
        if not self._layers:
            raise UserError(NONE)
        self._factors = _factors(inspection, self._layers.values())
        self._pictures: dict[str, np.ndarray] = {}
        self._details: list[np.ndarray] = []
        self._changes: dict[str, float] = {}     # RMS, against all noise: of the other ranges, and without each layer
        self._of_all: Tensor | None = None       # levels [3, H, W]
        self._spread = Moments()
        self._variances: list[float] = []        # each realisation's share of it, mean over pixels; the first has none
        steps: list[Callable[[], None]] = [
            *(partial(self._show, name) for name in TITLES), *(partial(self._leave_out, name) for name in self._layers),
            *(partial(self._realise, inspection.first_seed + i) for i in range(inspection.samples))]
        super().__init__(steps)

    # -- samples ------------------------------------------------------------------------------------------------------

    def _show(self, name: str) -> None:
        image = self._image(self._shared_noise(), [layer for layer in self._layers if self._is_in(name, layer)])
        self._pictures[name] = picture(image)
        if name == "all":
            self._of_all = levels(image)
        else:
            self._changes[name] = rms_distance(levels(image), self._of_all)

    def _leave_out(self, name: str) -> None:
        image = self._image(self._shared_noise(), self._layers.keys() - {name})
        self._changes[name] = rms_distance(levels(image), self._of_all)

    def _realise(self, seed: int) -> None:
        synth = replace(self._subject.request.synth, noise="random", noise_seed=seed)
        image = self._image(self._subject.noise(synth), self._layers)
        self._variances.append(self._spread.add(levels(image)))
        if len(self._details) < DETAILS:
            self._details.append(_detail(picture(image), self._inspection.place))

    def _shared_noise(self) -> dict[str, Tensor | None]:
        """The request's own; where that has none, the network's constant noise."""
        synth = self._subject.request.synth
        return self._subject.noise(replace(synth, noise="const") if synth.noise == "none" else synth)

    def _image(self, noise: dict[str, Tensor | None], layers: Iterable[str]) -> Tensor:
        """With noise in these layers alone, each times its factor."""
        noise = {name: noise[name] * self._factors[name] if name in layers else None for name in self._layers}
        return self._subject.look(self._subject.ws()[:1], noise=noise)["image"]

    def _is_in(self, name: str, layer: str) -> bool:
        is_fine = _size(self._layers[layer]) >= COARSEST_FINE
        return {"all": True, "none": False, "coarse": not is_fine, "fine": is_fine}[name]

    # -- report -------------------------------------------------------------------------------------------------------

    def made(self) -> Report:
        place = self._inspection.place
        pictures = [Picture(f"noise_{name}", TITLES[name][0], shown, tip=TITLES[name][1], group="ranges",
                            spot=place if name == "all" else None) for name, shown in self._pictures.items()]
        details = [Picture(f"detail_{i}", f"Noise {self._inspection.first_seed + i}", shown, group="details",
                           tip="A quarter of the picture's height and width around the chosen place, with the noise of "
                               "this seed (StyleGAN fig. 4b)") for i, shown in enumerate(self._details)]
        return Report(Noise.kind, (*pictures, *self._map(), *details, self._table()), self.done, self.total,
                      self._remarks())

    def _map(self) -> list[Picture | Fact]:
        if self._spread.count < 2:
            return []
        spread = self._spread.variance().mean(dim=0).sqrt().cpu().numpy()
        scale = Scale("magma", 0.0, float(spread.max()), "Standard deviation", LEVELS)
        value, *ends = (math.sqrt(max(variance, 0.0)) for variance in mean_interval(self._variances[1:]))
        low, high = ends if self._spread.count > 2 else (None, None)
        count = self._spread.count
        return [Fact("moved", "Noise moves a pixel by", value, LEVELS, low, high,
                     f"{SPREAD}; here its RMS over all pixels, with its 95 % interval (Student's t)"),
                Picture("spread", f"Spread over {count} realisations", heat(spread, scale), scale, SPREAD)]

    def _table(self) -> Table:
        rows = tuple((name, self._changes.get(name), _size(layer), self._strength(name), self._factors[name])
                     for name, layer in self._layers.items())
        return Table("layers", "Noise of each layer", tuple(COLUMNS), rows, tips=tuple(COLUMNS.values()),
                     taps=tuple(f"{name}.noise" for name in self._layers))

    def _strength(self, name: str) -> float:
        module = self._subject.generator.synthesis.get_submodule(name)
        return module.noise_strength.detach().abs().float().mean().item()

    def _remarks(self) -> tuple[str, ...]:
        remarks = []
        if all(name in self._changes for name in ("none", "fine", "coarse")):
            without = {"all noise": "none", "the coarse": "fine", "the fine": "coarse"}
            told = ", ".join(f"{self._changes[left]:.2g} without {what}" for what, left in without.items())
            remarks.append(f"The picture changes by so many of 255 levels (RMS): {told}.")
        if self._subject.request.synth.noise == "none":
            remarks.append("Noise is off in the main view; here the network's constant noise stands for it.")
        if all(self._strength(name) == 0 for name in self._layers):
            remarks.append("Every strength is 0, as in a network that was never trained: noise has no effect.")
        return tuple(remarks)


def _factors(inspection: Noise, layers: Iterable[Stage]) -> dict[str, float]:
    """By layer: its range's multiplier times its own."""
    layers = list(layers)
    if len(inspection.strengths) > len(layers):
        raise UserError(f"there are {len(inspection.strengths)} strengths, and this network has noise in "
                        f"{len(layers)} layers: {', '.join(layer.name for layer in layers)}.")
    own = inspection.strengths + (1.0,) * (len(layers) - len(inspection.strengths))
    return {layer.name: factor * (inspection.fine if _size(layer) >= COARSEST_FINE else inspection.coarse)
            for layer, factor in zip(layers, own, strict=True)}


def _size(layer: Stage) -> int:
    return max(layer.noise_const.shape)


def _detail(shown: np.ndarray, place: tuple[float, float]) -> np.ndarray:
    """A quarter of the height and width of uint8 [H, W, 3] around (y, x), moved inside."""
    spans = []
    for size, at in zip(shown.shape, place):
        part = max(1, size // 4)
        first = min(max(round(at * size - part / 2), 0), size - part)
        spans.append(slice(first, first + part))
    return view.read_only(shown[tuple(spans)].copy())
