"""Filter view: a StyleGAN3 layer's filters in time and in frequency (StyleGAN3 fig. 4a, app. C)."""
from __future__ import annotations

import numpy as np
from torch import Tensor

from nets.errors import UserError
from renderer.inspection import Filters
from renderer.report import Axis, Curve, Plot, Report
from renderer.subject import Subject

POINTS = 512                             # of a frequency response, from 0 to half the filter's sampling rate


class Estimate:
    """Complete at once: nothing is sampled."""
    done = total = 0

    def __init__(self, inspection: Filters, subject: Subject):
        if subject.info.family != "stylegan3":
            raise UserError("only StyleGAN3's layers have designed filters; this network is a "
                            f"{subject.info.family.replace('stylegan', 'StyleGAN')}.")
        layers = {g.name: getattr(subject.generator.synthesis, g.name) for g in subject.generator.synthesis.layers}
        wanted = inspection.layer or subject.request.tap.partition(".")[0]
        if inspection.layer and inspection.layer not in layers:
            raise UserError(f"there is no layer '{inspection.layer}'; there are {', '.join(layers)}.")
        self._layer = layers.get(wanted) or list(layers.values())[len(layers) // 2]

    def advance(self) -> None:
        raise NotImplementedError

    def report(self) -> Report:
        g = self._layer.geometry
        filters = {name: f for name, f in (("up", self._layer.up_filter), ("down", self._layer.down_filter))
                   if f is not None}
        rate = g.in_rate * g.up_factor
        curves = tuple(Curve(name, *_response(f, rate)) for name, f in filters.items())
        marks = ((g.in_cutoff, "f_c in"), (g.out_cutoff, "f_c out"))
        plot = Plot("response", f"Frequency response of {g.name}", Axis("Frequency", "cycles per image"),
                    Axis("Gain", "dB", low=-120, high=10), curves, marks)
        return Report("filters", (plot,), 0, 0)


def _response(f: Tensor, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """(frequencies up to rate / 2, gain in dB along the horizontal axis) of taps [n] or [n, n], unit gain at 0."""
    taps = f.double().cpu().numpy()
    taps = taps.sum(0) if taps.ndim == 2 else taps
    x = np.linspace(0, rate / 2, POINTS)
    gain = np.abs(np.exp(-2j * np.pi * np.outer(x / rate, np.arange(len(taps)))) @ taps)
    return x, 20 * np.log10(np.maximum(gain, 1e-15))
