"""Layer plan: band limits and sampling rates (StyleGAN3 fig. 4c), channels, sizes, arithmetic and time."""
from __future__ import annotations

import statistics
import time

import numpy as np

from nets.stages import State, ignore
from nets.work import count_stages
from renderer.device import synchronize
from renderer.inspection import Layers
from renderer.report import Axis, Curve, Fact, Plot, Report, Table
from renderer.subject import Subject
from renderer.types import TapInfo

RATE_TIP = ("In cycles or samples per image. s: sampling rate; s/2: Nyquist; f_c: cutoff, what the layer's output may "
            "hold; f_t: stop band that the plan asks for; f_c + f_h: where its filter's stop band begins (StyleGAN3 "
            "sec. 3.2, fig. 4c).")
ARITHMETIC_TIP = ("Operations of the cheapest exact direct form, a multiplication and an addition being two; filters "
                  "polyphase, separable where they are.")


class Estimate:
    """A sample is one run of the whole network, timed layer by layer, each with another w."""

    def __init__(self, inspection: Layers, subject: Subject):
        self.done, self.total = 0, inspection.runs
        self._subject = subject
        self._stages = subject.setting.stages
        self._taps = {tap.name: tap for tap in subject.info.taps}
        work = count_stages(subject.generator.synthesis, subject.request.synth.lod if subject.info.has_lod else None)
        self._flops = {name: sum(w.conv + w.fir for w in done) for name, done in work.items()}
        self._stop = _stops(subject)
        self._seconds: list[list[float]] = []
        self._is_warm = False

    def advance(self) -> None:
        if not self._is_warm:            # the first run prepares weights and memory
            self._run()
            self._is_warm = True
        self._seconds.append(self._run())
        self.done += 1

    def _run(self) -> list[float]:
        """Seconds of each stage."""
        subject, state, seconds = self._subject, State(), []
        ws, noise, transform = subject.ws_of(self.done), subject.noise(), subject.transform()
        for stage in self._stages:
            subject.run.go_on()
            synchronize(subject.device)
            began = time.perf_counter()
            state = stage.run(state, stage.inputs(ws, noise, transform), ignore)
            synchronize(subject.device)
            seconds.append(time.perf_counter() - began)
        return seconds

    def report(self) -> Report:
        ms = {stage.name: 1e3 * statistics.median(times) for stage, times in zip(self._stages, zip(*self._seconds))}
        figures = (*self._facts(ms), self._plan(), self._cost(ms), self._table(ms))
        return Report("layers", figures, self.done, self.total, remarks=(self._conclusion(), *self._cautions(ms)))

    # -- figures ------------------------------------------------------------------------------------------------------

    def _tap(self, stage) -> TapInfo:
        return self._taps[stage.taps[-1].name]

    def _facts(self, ms: dict[str, float]) -> list[Fact]:
        flops = sum(self._flops.values())
        facts = [Fact("gflop", "Arithmetic of one image", flops / 1e9, "GFLOP", tip=ARITHMETIC_TIP)]
        if not ms:
            return facts
        whole = sum(ms.values())
        return [*facts, Fact("ms", "Time of one image", whole, "ms", tip="Sum of the layers' medians, one image at a "
                             f"time, each from a new w, in this precision on this device; {self.done} runs."),
                Fact("rate", "Arithmetic a second", flops / whole / 1e6, "GFLOP/s", tip="The one over the other.")]

    def _plan(self) -> Plot:
        """fig. 4c; the other families have one rate a resolution and nothing else."""
        shown = [stage for stage in self._stages if stage.name != "image"]
        taps = [self._tap(stage) for stage in shown]
        values = {"f_c": [tap.cutoff for tap in taps], "f_t": [tap.stopband for tap in taps],
                  "f_c + f_h": [self._stop.get(stage.name) for stage in shown],
                  "s": [tap.rate for tap in taps], "s/2": [tap.rate / 2 for tap in taps]}
        curves = tuple(_over_layers(name, y) for name, y in values.items() if any(y))
        return Plot("plan", "Band limits and sampling rate of each layer", _axis(shown),
                    Axis("Frequency", "cycles per image", logarithmic=True), curves, tip=RATE_TIP)

    def _cost(self, ms: dict[str, float]) -> Plot:
        costs = {"Arithmetic": self._flops} | ({"Time": ms} if ms else {})
        curves = tuple(_over_layers(name, [100 * cost[stage.name] / sum(cost.values()) for stage in self._stages])
                       for name, cost in costs.items())
        return Plot("cost", "What each layer costs", _axis(self._stages), Axis("Share of the network", "%", low=0),
                    curves, tip=f"{ARITHMETIC_TIP} Time: median of the runs, of which there are {self.done} by now.")

    def _table(self, ms: dict[str, float]) -> Table:
        """Without the columns of which this network has nothing."""
        columns = {
            "Layer": ("in network order", lambda stage, tap: stage.name),
            "GFLOP": (ARITHMETIC_TIP, lambda stage, tap: self._flops[stage.name] / 1e9),
            "ms": (f"median of {self.done} runs", lambda stage, tap: ms.get(stage.name)),
            "GFLOP/s": ("the one over the other", lambda stage, tap: self._flops[stage.name] / ms[stage.name] / 1e6
                        if ms.get(stage.name) else None),
            "Channels": ("of its output", lambda stage, tap: tap.shape[0]),
            "Height (px)": ("of its output, margins included", lambda stage, tap: tap.shape[1]),
            "Width (px)": ("of its output, margins included", lambda stage, tap: tap.shape[2]),
            "s (per image)": ("sampling rate of its output", lambda stage, tap: tap.rate),
            "s/2 (cycles per image)": ("Nyquist of its output", lambda stage, tap: tap.rate / 2),
            "f_c (cycles per image)": ("cutoff of its output", lambda stage, tap: tap.cutoff),
            "f_t (cycles per image)": ("stop band that the plan asks for", lambda stage, tap: tap.stopband),
            "f_c + f_h (cycles per image)": ("where the stop band of its filter begins",
                                             lambda stage, tap: self._stop.get(stage.name)),
            "Row of w": ("the row of w behind its style", lambda stage, tap: stage.w_row),
        }
        cells = {name: [value(stage, self._tap(stage)) for stage in self._stages] for name, (_, value) in
                 columns.items()}
        kept = {name: cell for name, cell in cells.items() if any(x is not None for x in cell)}
        return Table("layers", "All layers", tuple(kept), tuple(zip(*kept.values())),
                     taps=tuple(self._tap(stage).name for stage in self._stages),
                     tips=tuple(columns[name][0] for name in kept))

    # -- words --------------------------------------------------------------------------------------------------------

    def _conclusion(self) -> str:
        synthesis = self._subject.generator.synthesis
        if self._subject.info.family != "stylegan3":
            rates = dict.fromkeys(self._tap(stage).rate for stage in self._stages if stage.name != "image")
            return (f"The sampling rate doubles from {min(rates):g} to {max(rates):g} per image in {len(rates)} "
                    "resolutions; no layer has a cutoff below its Nyquist frequency, as StyleGAN3's have.")
        layers = [g for g in synthesis.layers if not g.is_torgb]
        critical = sum(g.out_cutoff >= g.out_rate / 2 for g in layers)
        return (f"From {layers[0].name} to {layers[-1].name} the cutoff f_c grows from {layers[0].out_cutoff:.3g} to "
                f"{layers[-1].out_cutoff:.3g} cycles per image, and {critical} of these {len(layers)} layers are "
                "critically sampled: their cutoff is Nyquist.")

    def _cautions(self, ms: dict[str, float]) -> list[str]:
        if not ms:
            return []
        slowest = max(ms, key=ms.get)
        return [f"{slowest} takes the longest: {ms[slowest]:.3g} of {sum(ms.values()):.3g} ms. Times are of this "
                "machine and depend on what else it does; all else holds anywhere."]


def _stops(subject: Subject) -> dict[str, float]:
    """f_c + f_h of each StyleGAN3 layer's output."""
    if subject.info.family != "stylegan3":
        return {}
    return {g.name: g.out_cutoff + g.out_half_width for g in subject.generator.synthesis.layers}


def _axis(stages) -> Axis:
    return Axis("Layer", ticks=tuple(stage.name for stage in stages))


def _over_layers(name: str, values: list[float | None]) -> Curve:
    return Curve(name, np.arange(len(values), dtype=float), np.array([np.nan if y is None else y for y in values]),
                 dots=True)
