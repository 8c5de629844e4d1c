"""Droplets of the latent that is looked at, what they cause, and which seeds lack them (inspection.md "Droplets")."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from nets.errors import UserError
from nets.stages import Edit
from renderer.inspection import Droplets
from renderer.inspections import droplet_figures
from renderer.inspections.droplet_findings import Findings, Layer, Seed, Undone
from renderer.inspections.pictures import levels, picture
from renderer.measures import droplets as measure
from renderer.measures.droplets import Blob
from renderer.report import Figure, Report
from renderer.subject import Subject
from renderer.types import TapInfo

UNDOING: dict[str, Edit] = {"without": measure.normalise_without_blob, "bypassed": lambda x: x}


class Estimate:
    """Samples: the latent itself, its picture with a layer's normalisation undone, then each seed of the search."""

    def __init__(self, inspection: Droplets, subject: Subject):
        self._subject, family = subject, subject.info.family
        self._taps = {tap.name: tap for tap in subject.taps("out" if family == "stylegan3" else "act")}
        names = [name.rpartition(".")[0] for name in self._taps]
        if inspection.layer and inspection.layer not in names:
            raise UserError(f"there is no layer '{inspection.layer}'; there are {', '.join(names)}.")
        config = subject.generator.config
        normalises = getattr(config, "use_instance_norm", False) and not config.use_pixel_norm
        self._found = Findings(family.replace("stylegan", "StyleGAN"), normalises, inspection)
        self._fixed: tuple[Figure, ...] = ()             # what the search adds nothing to
        seeds = range(inspection.first_seed, inspection.first_seed + inspection.samples)
        self._steps = [self._look, *(partial(self._undo, way) for way in UNDOING if normalises),
                       *(partial(self._search, seed) for seed in seeds)]
        self.done, self.total = 0, len(self._steps)

    def advance(self) -> None:
        self._steps[self.done]()
        self.done += 1

    def report(self) -> Report:
        figures = self._fixed + droplet_figures.search(self._found)
        return Report("droplets", figures, self.done, self.total, droplet_figures.remarks(self._found))

    def _look(self) -> None:
        seen: list[tuple] = []

        def see(tap: TapInfo, x: Tensor) -> None:
            energy = measure.energy(x)
            spreads = (values.cpu().numpy() for values in measure.spreads(x, measure.rest(energy)))
            seen.append((tap, _strongest(energy, tap), energy.cpu().numpy(), *spreads))
        image = self._walk(self._subject.ws()[:1], see)
        flags = _droplets([(tap, blob) for tap, blob, *_ in seen])
        self._found.layers = [Layer(tap, blob, flag, *rest) for (tap, blob, *rest), flag in zip(seen, flags)]
        self._found.image = image.cpu()
        self._fixed = droplet_figures.fixed(self._found)

    def _undo(self, way: str) -> None:
        found = self._found
        first = found.layers.index(found.chosen)
        undone = found.layers[first:] if found.asked.onwards else [found.chosen]
        image = self._walk(self._subject.ws()[:1], edits={layer.name: UNDOING[way] for layer in undone}).cpu()
        change = (levels(image) - levels(found.image)).abs().mean(dim=0).numpy()
        found.undone[way] = Undone(picture(image), change)
        self._fixed = droplet_figures.fixed(found)

    def _search(self, seed: int) -> None:
        seen: list[tuple[TapInfo, Blob]] = []
        image = self._walk(self._subject.ws_of(seed),
                           lambda tap, x: seen.append((tap, _strongest(measure.energy(x), tap))))
        flag, (tap, blob) = max(zip(_droplets(seen), seen), key=lambda row: (row[0], row[1][1].peak_ratio))
        self._found.add(Seed(seed, flag, tap.name.rpartition(".")[0], blob), picture(image))

    def _walk(self, ws: Tensor, see: Callable[[TapInfo, Tensor], None] | None = None,
              edits: Mapping[str, Edit] | None = None) -> Tensor:
        """The image [1, C, H, W] of one w; `see` is handed each layer's values [C, H, W]."""
        seen: dict[str, Tensor] = {}

        def watch(name: str, value: Tensor) -> None:
            if name == "image":
                seen[name] = value
            else:
                see(self._taps[name], value[0])
        subject = self._subject
        subject.look(ws, ("image", *(self._taps if see else ())), subject.noise(), see=watch, edits=edits or {})
        return seen["image"]


def _strongest(energy: Tensor, tap: TapInfo) -> Blob:
    """Of a tap's energy map; StyleGAN3's have margins around the image, which is square."""
    size = tap.shape[1:]
    return measure.strongest(energy.cpu(), size if tap.rate == size[1] else (tap.rate, tap.rate))


def _droplets(found: list[tuple[TapInfo, Blob]]) -> list[bool]:
    return measure.persistent([blob for _, blob in found], [tap.rate for tap, _ in found])
