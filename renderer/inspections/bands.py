"""The layers' part of the spectra: the average spectrum of each, and its aliasing budget (StyleGAN3 sec. 2, app. A)."""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from renderer.colormaps import BACKDROP, colours
from renderer.measures.aliasing import beyond, brought_in, window_reach
from renderer.measures.spectrum import power, radial
from renderer.report import Axis, Curve, Figure, Picture, Plot, Scale, Table
from renderer.subject import Subject
from renderer.types import TapInfo

NEAREST = (0.5, 0.5)                     # StyleGAN1's upsampling repeats pixels
COLUMNS, ROW = 256, 8                    # of the waterfall: pixels of its frequency axis, and of a layer's height
LOW_DB, HIGH_DB = -80.0, 30.0            # of the waterfall's colours

BEYOND = ("Energy of the layer's output outside its band, as a share of all but each channel's mean, seen through the "
          "same Kaiser window as the spectra. The band is a square, |fx| and |fy| up to the limit; a disc where the "
          "layer's filter is radial. StyleGAN3 sec. 3.")
ADDED = ("Energy above the old Nyquist frequency in the signal that an upsampling layer convolves, as a share of all "
         "of it: mirror images of the spectrum that its resampling filter lets through, where the previous resolution "
         "had nothing. StyleGAN3 sec. 2; StyleGAN2 app. B.")
SMEAR = "Smear (cycles per image)"
REACH = "How far the window smears a frequency; energy so close below a limit counts beyond it in part."


@dataclass(frozen=True, eq=False)
class Sums:
    """Of one layer over seeds."""
    rings: np.ndarray                    # [F]: mean of S over the ring at 0, 1, .. Nyquist
    mean: float                          # of S over all bins
    energy: np.ndarray                   # [2, 2]: (beyond, all) for f_c and f_t, or twice for what is brought in

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def shares(self) -> list[float]:
        """NaN where there is no energy at all."""
        return [part / whole if whole else math.nan for part, whole in self.energy]


@dataclass(frozen=True)
class Upsampling:
    """What the layer after a signal does to it before its convolution."""
    layer: str
    taps: Tensor                         # of its resampling filter
    style: Callable[[Tensor], Tensor] | None     # ws -> [N, C]: what multiplies the channels


class Bands:
    """Measures the result of every layer; sums are added once a whole sample is known."""

    def __init__(self, subject: Subject, beta: float):
        results = [stage.taps[-1].name for stage in subject.setting.stages if not stage.taps[-1].name.endswith("image")]
        self.taps: dict[str, TapInfo] = {tap.name: tap for tap in subject.info.taps if tap.name in results}
        self._is_filtered = subject.info.family == "stylegan3"
        self._beta = beta
        self._upsamplings, self._radial = _upsamplings(subject), _radial_layers(subject)
        outputs = [name for name in self.taps if name.endswith(".out")] if self._is_filtered else []
        self._budgeted = outputs or list(self._upsamplings)
        self._sums: dict[str, Sums] = {}

    def of(self, name: str, x: Tensor, ws: Tensor, between: Callable[[], None]) -> Sums:
        """What `add` takes of the tap `name` with value x [1, C, H, W], for ws."""
        tap, x = self.taps[name], x[0].float()
        s = power(x, self._beta, between)
        energy = np.zeros((2, 2))
        if name in self._upsamplings:
            upsampling = self._upsamplings[name]
            styled = s if upsampling.style is None else power(x * upsampling.style(ws)[0, :, None, None], self._beta,
                                                              between)
            energy[:] = brought_in(styled, upsampling.taps)
        elif self._is_filtered:
            total = s.sum().item()
            energy[:] = [(beyond(s, tap.rate, limit, name in self._radial), total)
                         for limit in (tap.cutoff, tap.stopband)]
        return Sums(radial(s, tap.rate).cpu().numpy(), s.mean().item(), energy)

    def add(self, sums: dict[str, Sums]) -> None:
        self._sums = {name: self._sums[name] + one if self._sums else one for name, one in sums.items()}

    def figures(self) -> tuple[Figure, ...]:
        if not self._sums:
            return ()
        return *self._budget(), *self._profiles()

    def conclusion(self) -> str:
        """The layer that leaks most, in a sentence; nothing where none is measured."""
        shares = {name: self._sums[name].shares[1] for name in self._budgeted if self._sums and self._has_room(name)}
        shares = {name: share for name, share in shares.items() if not math.isnan(share)}
        if not shares:
            return ""
        worst = max(shares, key=shares.get)
        share = f"{100 * shares[worst]:.2g} % ({_db(shares[worst]):.1f} dB)"
        if self._is_filtered:
            return (f"{worst.removesuffix('.out')} has the most energy beyond its stopband f_t: {share} of its own; "
                    "what lies there turns into aliasing.")
        return (f"Upsampling for {self._upsamplings[worst].layer} brings in the most energy above the old Nyquist "
                f"frequency: {share} of the signal it convolves.")

    # -- figures ------------------------------------------------------------------------------------------------------

    def _has_room(self, name: str, which: int = 1) -> bool:
        """Whether there are frequencies beyond f_c (0), f_t (1): critically sampled layers have none."""
        tap = self.taps[name]
        return not self._is_filtered or (tap.cutoff, tap.stopband)[which] < tap.rate / 2

    def _budget(self) -> tuple[Figure, ...]:
        names = self._budgeted
        if not names:
            return ()
        return (self._filtered(names) if self._is_filtered else self._enlarged(names)), self._over_layers(names)

    def _filtered(self, names: list[str]) -> Table:
        rows = []
        for name in names:
            tap, row = self.taps[name], [name.removesuffix(".out")]
            for which, share in enumerate(self._sums[name].shares):
                row += [100 * share, _db(share)] if self._has_room(name, which) else [None, None]
            rows.append((*row, tap.cutoff, tap.stopband, tap.rate / 2, self._reach(tap)))
        share = f"{BEYOND} Empty where the limit is Nyquist or past it."
        tips = ("The layer, at its output", *(share,) * 4, "Its cutoff, in cycles per image", "Its stopband, in cycles "
                "per image: where the transition band ends", "Half its sampling rate, in cycles per image", REACH)
        return Table("aliasing", "Energy beyond the layers' bands",
                     ("Layer", "Beyond f_c (%)", "Beyond f_c (dB)", "Beyond f_t (%)", "Beyond f_t (dB)", "f_c", "f_t",
                      "Nyquist", SMEAR), tuple(rows), tuple(names), tips=tips, tip=BEYOND)

    def _reach(self, tap: TapInfo) -> float:
        return window_reach(tap.rate, tap.shape[2], self._beta)

    def _enlarged(self, names: list[str]) -> Table:
        rows = tuple((self._upsamplings[name].layer, 100 * share, _db(share), tap.rate / 2, tap.rate, self._reach(tap))
                     for name in names for tap, share in [(self.taps[name], self._sums[name].shares[1])])
        tips = "The upsampling layer", ADDED, ADDED, "In cycles per image", "In cycles per image", REACH
        return Table("aliasing", "Energy that upsampling brings in",
                     ("Layer", "Above the old Nyquist (%)", "Above the old Nyquist (dB)", "Old Nyquist", "New Nyquist",
                      SMEAR), rows, tuple(names), tips=tips, tip=ADDED)

    def _over_layers(self, names: list[str]) -> Plot:
        def curve(label: str, which: int) -> Curve:
            levels = [_db(self._sums[name].shares[which]) if self._has_room(name, which) else math.nan
                      for name in names]
            return Curve(label, np.arange(len(names), dtype=float), np.array(levels), dots=True)
        labels = ("beyond f_c", "beyond f_t") if self._is_filtered else ("above the old Nyquist",)
        curves = tuple(curve(label, which) for which, label in enumerate(labels))
        ticks = tuple(name.removesuffix(".out") if self._is_filtered else self._upsamplings[name].layer
                      for name in names)
        return Plot("aliasing_over_layers", "Aliasing budget over the layers", Axis("Layer", ticks=ticks),
                    Axis("Energy", "dB of the layer's own"), curves, tip=BEYOND if self._is_filtered else ADDED)

    def _profiles(self) -> tuple[Figure, ...]:
        profiles = {name: 10 * np.log10(np.maximum(one.rings / one.mean, 1e-30)) if one.mean else
                    np.full(len(one.rings), -300.0) for name, one in self._sums.items()}
        tip = ("Mean of the layer's power spectrum over rings one cycle wide, summed over seeds and channels, "
               "in dB of its own mean. StyleGAN3 app. A.")
        curves = tuple(Curve(name, np.arange(1.0, len(y)), y[1:]) for name, y in profiles.items() if len(y) > 1)
        plot = Plot("layers", "Spectrum of each layer", Axis("Frequency", "cycles per image", logarithmic=True),
                    Axis("Power", "dB of the layer's mean"), curves, tip=tip)
        return _waterfall(list(profiles.values()), tip), plot


def _waterfall(profiles: list[np.ndarray], tip: str) -> Picture:
    """A row for each layer, the first one on top; frequency runs to the right from 1, logarithmically."""
    highest = max(len(profile) for profile in profiles) - 1
    frequency = np.rint(highest ** np.linspace(0, 1, COLUMNS)).astype(int)
    pixels = np.empty((len(profiles), COLUMNS, 3), np.uint8)
    for row, profile in zip(pixels, profiles):
        shown = frequency < len(profile)
        level = np.nan_to_num((profile[frequency[shown]] - LOW_DB) / (HIGH_DB - LOW_DB))
        row[:] = BACKDROP
        row[shown] = colours("viridis")[(255 * level.clip(0, 1)).round().astype(int)]
    pixels = pixels.repeat(ROW, axis=0)
    pixels.flags.writeable = False
    return Picture("waterfall", f"Layers over 1 to {highest} cycles per image", pixels,
                   Scale("viridis", LOW_DB, HIGH_DB, "Power", "dB of the layer's mean"),
                   tip=f"The first layer is on top; frequency is logarithmic, dark grey past a layer's Nyquist. {tip}")


def _upsamplings(subject: Subject) -> dict[str, Upsampling]:
    """Of StyleGAN1 and 2, by the tap that an upsampling layer reads."""
    modules = dict(subject.generator.synthesis.named_modules())
    stages = [stage for stage in subject.setting.stages if not stage.taps[-1].name.endswith("image")]
    found = {}
    for before, stage in pairwise(stages):
        layer = modules.get(stage.name)
        if getattr(layer, "up", 1) == 1:
            continue
        taps = layer.resample_filter if hasattr(layer, "resample_filter") else torch.tensor(NEAREST)
        is_modulated = hasattr(layer, "resample_filter")         # StyleGAN2 multiplies by its style ahead of it
        style = (lambda ws, layer=layer, row=stage.w_row: layer.affine(ws[:, row])) if is_modulated else None
        found[before.taps[-1].name] = Upsampling(stage.name, taps, style)
    return found


def _radial_layers(subject: Subject) -> set[str]:
    """The outputs of StyleGAN3's layers with a radial filter."""
    layers = getattr(subject.generator.synthesis, "layers", ())
    return {f"{g.name}.out" for g in layers if g.radial_down}


def _db(share: float) -> float:
    return 10 * math.log10(max(share, 1e-30))
