"""Filter view: a StyleGAN3 layer's filters in time and in frequency (StyleGAN3 fig. 4a, app. C)."""
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nets.config import LayerGeometry
from nets.errors import UserError
from nets.filters import kaiser_attenuation, lowpass
from renderer.inspection import Filters
from renderer.inspections.pictures import heat
from renderer.measures import filter_response as measure
from renderer.report import Axis, Curve, Picture, Plot, Report, Scale, Table
from renderer.subject import Subject

POINTS = 512                             # of a frequency response, from 0 to half the filter's sampling rate
PLANE = 257                              # pixels of a 2-D response along each axis: odd, so that 0 is one of them
FLOOR_DB = -80                           # darkest in a 2-D response
FREQUENCY = Axis("Frequency", "cycles per image")
COLUMNS = {
    "Filter": "up: of the upsampling before the leaky ReLU; down: of the downsampling after it",
    "Taps": "along x and along y for separable filters, in all for radial ones",
    "f_c (cycles per image)": "cutoff of the design: what the layer's input (up) or output (down) may hold",
    "-6 dB at (cycles per image)": "where the gain along x, measured, first falls to half: a windowed sinc's cutoff",
    "f_c + f_h (cycles per image)": "where the transition band ends and the stop band begins",
    "Attenuation (dB)": "measured: how far the largest gain in the stop band lies below 1",
    "Kaiser's estimate (dB)": "what a Kaiser window of so many taps is expected to reach over this transition band",
}


class Filter(NamedTuple):
    """One of a layer's two. Frequencies in cycles per image."""
    name: str                            # 'up' or 'down'
    taps: Tensor                         # [n], separable, or [n, n]
    factor: int                          # of the upsampling or the downsampling
    rate: float                          # sampling rate of the taps
    cutoff: float                        # f_c
    half_width: float                    # f_h of the transition band

    @property
    def stop(self) -> float:
        """Where the stop band begins."""
        return self.cutoff + self.half_width

    @property
    def is_radial(self) -> bool:
        return self.taps.ndim == 2

    def attenuation(self) -> float:
        return measure.attenuation(self.taps, self.rate, self.stop)

    def widened(self, factor: float) -> Filter:
        """The same design with a transition band that many times as wide."""
        half_width = self.half_width * factor
        taps = lowpass(len(self.taps), self.cutoff, 2 * half_width, self.rate, self.is_radial)
        return self._replace(taps=taps, half_width=half_width, name=f"{self.name}, band {factor:g} x as wide")


class Estimate:
    """Complete at once: nothing is sampled."""
    done = total = 0

    def __init__(self, inspection: Filters, subject: Subject):
        layer = _chosen(inspection.layer, subject)
        self._report = _report(layer.geometry.name, _filters(layer), inspection.widened)

    def advance(self) -> None:
        raise NotImplementedError

    def report(self) -> Report:
        return self._report


def _chosen(wanted: str, subject: Subject) -> torch.nn.Module:
    if subject.info.family != "stylegan3":
        raise UserError("only StyleGAN3's layers have designed filters, and this network is a "
                        f"{subject.info.family.replace('stylegan', 'StyleGAN')}; `layers` shows its plan instead.")
    synthesis = subject.generator.synthesis
    layers = {g.name: getattr(synthesis, g.name) for g in synthesis.layers}
    with_filters = {name: layer for name, layer in layers.items() if _filters(layer)}
    if wanted in layers and wanted not in with_filters:
        raise UserError(f"{wanted} has no filters; choose one of {', '.join(with_filters)}.")
    if wanted and wanted not in layers:
        raise UserError(f"there is no layer '{wanted}'; there are {', '.join(with_filters)}.")
    if not with_filters:
        raise UserError("no layer of this network has a filter of more than one tap.")
    seen = subject.request.tap.partition(".")[0]
    return with_filters.get(wanted or seen) or list(with_filters.values())[len(with_filters) // 2]


def _filters(layer: torch.nn.Module) -> list[Filter]:
    g: LayerGeometry = layer.geometry
    found = [("up", layer.up_filter, g.up_factor, g.in_rate * g.up_factor, g.in_cutoff, g.in_half_width),
             ("down", layer.down_filter, g.down_factor, g.out_rate * g.down_factor, g.out_cutoff, g.out_half_width)]
    return [Filter(name, taps.double().cpu(), *plan) for name, taps, *plan in found if taps is not None]


def _report(layer: str, filters: list[Filter], factor: float) -> Report:
    """`factor`: how many times as wide the transition band of the others is that are held against them; 1: none."""
    others = [f.widened(factor) for f in filters] if factor != 1 else []
    plots = [_response(layer, f, others[i:i + 1]) for i, f in enumerate(filters)]
    pictures = [_over_plane(layer, f) for f in filters]
    figures = (*plots, _impulse(layer, filters + others), *pictures, _table(layer, filters + others))
    return Report("filters", figures, 0, 0, remarks=_remarks(layer, filters))


# -- figures ----------------------------------------------------------------------------------------------------------

def _response(layer: str, f: Filter, others: list[Filter]) -> Plot:
    """In dB up to the filter's own Nyquist; a radial filter's also along the diagonal."""
    x = torch.linspace(0, f.rate / 2, POINTS, dtype=torch.float64)

    def curve(name: str, one: Filter, degrees: float = 0) -> Curve:
        return Curve(name, x.numpy(), measure.decibels(measure.gain_along(one.taps, f.rate, x, degrees)).numpy())
    curves = [curve(f.name, f), *([curve(f"{f.name}, at 45°", f, 45)] if f.is_radial else []),
              *(curve(other.name, other) for other in others)]
    marks = (f.cutoff, "f_c"), (f.stop, "f_c + f_h"), (f.rate / f.factor / 2, "s/2")
    attenuation = f.attenuation()
    levels = () if math.isnan(attenuation) else ((-attenuation, f"-{attenuation:.1f} dB"),)
    return Plot(f"response_{f.name}", f"{layer}: frequency response of the {f.name}sampling filter", FREQUENCY,
                Axis("Gain", "dB", low=-120, high=10), tuple(curves), marks, levels,
                "Magnitude of the filter's Fourier transform. f_c: cutoff; from f_c + f_h on: stop band; s/2: Nyquist "
                f"of the layer's {'input' if f.name == 'up' else 'output'} (StyleGAN3 fig. 4a, sec. 3.2).")


def _impulse(layer: str, filters: list[Filter]) -> Plot:
    return Plot("impulse", f"{layer}: impulse response", Axis("Distance from the centre", "samples at the low rate"),
                Axis("Weight"), tuple(map(_taps, filters)),
                tip="The taps along x (of a radial filter, summed over y), times the resampling factor; the low rate "
                    "is the layer's input (up) or output (down) rate (StyleGAN3 fig. 4a).")


def _taps(f: Filter) -> Curve:
    taps = (f.taps.sum(0) if f.is_radial else f.taps).numpy()
    return Curve(f.name, (np.arange(len(taps)) - (len(taps) - 1) / 2) / f.factor, taps * f.factor, dots=True)


def _over_plane(layer: str, f: Filter) -> Picture:
    frequencies = torch.linspace(-f.rate / 2, f.rate / 2, PLANE, dtype=torch.float64)
    levels = measure.decibels(measure.gain_over_plane(f.taps, f.rate, frequencies)).numpy()
    scale = Scale("magma", FLOOR_DB, 0, "Gain", "dB")
    return Picture(f"plane_{f.name}", f"{layer}: {f.name}, {'radial' if f.is_radial else 'separable'}",
                   heat(levels, scale), scale, group="plane",
                   tip=f"The {f.name}sampling filter's gain in two dimensions: zero frequency in the middle, "
                       f"{f.rate / 2:g} cycles per image at the edges. Config R's radial filters treat all directions "
                       "alike (StyleGAN3 sec. 3.2, app. C).")


def _table(layer: str, filters: list[Filter]) -> Table:
    rows = tuple((f.name, f.taps.numel(), f.cutoff, _or_none(measure.half_gain_frequency(f.taps, f.rate)), f.stop,
                  _or_none(f.attenuation()), kaiser_attenuation(len(f.taps), 2 * f.half_width, f.rate))
                 for f in filters)
    return Table("filters", f"{layer}: design and measurement", tuple(COLUMNS), rows, tips=tuple(COLUMNS.values()))


def _remarks(layer: str, filters: list[Filter]) -> tuple[str, ...]:
    said = [f"the {f.name}sampling filter loses half at its cutoff of {f.cutoff:.3g} cycles per image and at least "
            f"{f.attenuation():.1f} dB from {f.stop:.3g} on" for f in filters if not math.isnan(f.attenuation())]
    return (f"In {layer} {'; '.join(said)}.",) if said else ()


def _or_none(number: float) -> float | None:
    return None if math.isnan(number) else number
