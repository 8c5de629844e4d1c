"""Average spectra of a network's pictures beside a data set's or another network's (StyleGAN3 app. A); aliasing."""
from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nets.errors import UserError
from renderer.colormaps import colours
from renderer.datasets import Dataset, UnfitPicture, is_dataset
from renderer.info import previous_nyquist, tap_named
from renderer.inspection import Spectra
from renderer.inspections.bands import Bands
from renderer.inspections.bands import Sums as LayerSums
from renderer.measures.spectrum import Average, Sums
from renderer.opened import short_name
from renderer.report import Axis, Curve, Fact, Figure, Picture, Plot, Report, Scale, Table
from renderer.second import second_network
from renderer.subject import Subject

LARGEST = 512                            # pixels of a picture of a spectrum, unless its signal is larger
FLOOR = 1e-15                            # of S: -150 dB
STEP_DB = 10                             # the colours' ends are multiples of it
LEVEL = ("Power of whitened pictures: 0 dB is white noise as strong as they are. Whitened with the mean and standard "
         "deviation of the data set (of the open network's own pictures, where there is none), a Kaiser window of "
         "unit power, {interp} times the size by zero-padding, |FFT|² averaged over pictures and channels. "
         "StyleGAN3 app. A.")


class Seeds:
    """The pictures of a network's seeds, and on the way what `see` is shown of its layers."""

    def __init__(self, subject: Subject, first: int):
        self.subject, self._first = subject, first
        self.name, self.size = short_name(subject.info.path), tuple(subject.info.resolution)
        self.rate = tap_named(subject.info, "image").rate
        subject.ws_of(first)             # raises UserError where a class is needed

    def picture(self, index: int, bands: Bands | None = None, found: dict[str, LayerSums] | None = None) -> Tensor:
        """`bands`: measures the layers as well, into `found`."""
        subject, seen = self.subject, {}
        ws = subject.ws_of(self._first + index)
        noise = subject.noise(replace(subject.request.synth, noise_seed=self._first + index))

        def see(name: str, value: Tensor) -> None:
            if name == "image":
                seen[name] = value[0]
            else:
                found[name] = bands.of(name, value, ws, subject.run.go_on)
        subject.look(ws, ("image", *(bands.taps if bands else ())), noise, see=see)
        if not seen["image"].isfinite().all():
            raise UserError(f"the picture of seed {self._first + index} in {self.name} has values that are not finite: "
                            "choose the precision fp32, or other seeds.")
        return seen["image"]


class Pictures:
    """Those of a data set, in an order drawn by a seed; what does not fit is skipped."""

    def __init__(self, path: str, seed: int):
        self._dataset = Dataset(path)
        self.name, self.size = Path(path).resolve().name, self._dataset.size
        self.rate = float(self.size[1])
        self._order = iter(np.random.RandomState(seed % 2 ** 32).permutation(len(self._dataset)))
        self._good: list[int] = []       # their places in the data set
        self.skipped: list[str] = []     # a sentence each

    def picture(self, index: int) -> Tensor | None:
        """[C, H, W], -1 .. 1, for an index up to one past the last that was asked for; None past the end."""
        if index < len(self._good):
            return _signal(self._dataset.read(self._good[index]))
        for place in self._order:
            try:
                pixels = self._dataset.read(place)
            except UnfitPicture as problem:
                self.skipped.append(str(problem))
                continue
            self._good.append(place)
            return _signal(pixels)
        return None


class Estimate:
    """Each sample is a seed, and a picture or seed of the second source as long as it has any."""

    def __init__(self, inspection: Spectra, subject: Subject):
        self.done, self.total = 0, inspection.samples
        self._inspection, self._subject, self._rivals = inspection, subject, None
        self._seeds = Seeds(subject, inspection.first_seed)
        self._bands = Bands(subject, inspection.kaiser_beta) if inspection.every_layer else None
        self._average = self._average_of(self._seeds)
        self._rivals = _second(inspection, subject)
        self._rival = self._average_of(self._rivals) if self._rivals else None
        self._compared = 0               # pictures of the second source
        self._known = Report("spectra", (), 0, self.total)

    def _average_of(self, source: Seeds | Pictures) -> Average:
        wanted = self._inspection
        return Average(source.size, source.rate, wanted.kaiser_beta, wanted.interp, self._subject.device)

    def advance(self) -> None:
        go_on, found = self._subject.run.go_on, {}
        ours = self._average.of(self._seeds.picture(self.done, self._bands, found), go_on)
        theirs = self._next_of_rivals()
        self._average.add(ours)          # from here on nothing is abandoned
        if self._bands:
            self._bands.add(found)
        if theirs is not None:
            self._rival.add(theirs)
            self._compared += 1
        self.done += 1

    def _next_of_rivals(self) -> Sums | None:
        if self._rivals is None:
            return None
        if isinstance(self._rivals, Seeds):
            self._rivals.subject.run = self._subject.run
        picture = self._rivals.picture(self.done)
        return None if picture is None else self._rival.of(picture, self._subject.run.go_on)

    # -- the report ---------------------------------------------------------------------------------------------------

    def report(self) -> Report:
        """Drawn anew only where a sample has come in since."""
        if self._known.done != self.done:
            self._known = self._report()
        return self._known

    def _report(self) -> Report:
        judge = self._rival if self._compared and isinstance(self._rivals, Pictures) else self._average
        sources = [(self._seeds, self._average, self.done)]
        if self._compared:
            sources.append((self._rivals, self._rival, self._compared))
        shown = [Averaged(*source, judge, self._seeds.rate) for source in sources]
        names = _told_apart([source.name for source, *_ in sources])
        layers = self._bands.figures() if self._bands else ()
        figures = (*_compared(shown), *self._curves(shown, names), *_pictures(shown, names), *layers,
                   _sources(shown, names))
        return Report("spectra", figures, self.done, self.total, self._remarks(shown, names))

    def _curves(self, shown: list[Averaged], names: list[str]) -> tuple[Figure, ...]:
        tip = LEVEL.format(interp=self._inspection.interp)
        marks = _marks(self._subject)
        x, y = Axis("Frequency", "cycles per image", low=0), Axis("Power", "dB")
        rings = tuple(Curve(name, one.frequencies, one.radial) for one, name in zip(shown, names))
        slices = tuple(Curve(f"{name}, {angle}", one.frequencies, levels) for one, name in zip(shown, names)
                       for angle, levels in (("0°", one.slice_0), ("45°", one.slice_45)))
        return (Plot("radial", "Average power over frequency", x, y, rings, marks,
                     tip=f"Mean over rings one cycle per image wide. {tip}"),
                Plot("slices", "The same along 0° (horizontal) and 45°", x, y, slices, marks, tip=tip))

    def _remarks(self, shown: list[Averaged], names: list[str]) -> tuple[str, ...]:
        said = [_comparison(shown, names)] if len(shown) > 1 else []
        if self._bands and (conclusion := self._bands.conclusion()):
            said.append(conclusion)
        if not said:
            ours = shown[0]
            said.append(f"From {ours.frequencies[1]:g} to {ours.frequencies[-1]:g} cycles per image the average power "
                        f"of {names[0]} falls by {ours.radial[1] - ours.radial[-1]:.1f} dB.")
        if isinstance(self._rivals, Pictures):
            said += _told(self._rivals, self._compared, self.done)
        return tuple(said)


class Averaged:
    """One source's average spectrum in dB, whitened as `judge` says; of `rate` it is white noise that has 0 dB."""

    def __init__(self, source: Seeds | Pictures, average: Average, pictures: int, judge: Average, rate: float):
        self.mean, self.std, self.size, self.pictures = average.mean, average.std, source.size, pictures
        half = average.half(judge.mean, judge.std) * (rate / source.rate) ** 2       # power per cycle² alike
        self.radial, self.slice_0, self.slice_45 = map(_decibels, average.profiles(half))
        self.frequencies = np.arange(len(self.radial), dtype=float)
        self.levels = _decibels(average.centred(half, _step(source.size, average.interp)))
        self.extent = tuple(source.rate * n / source.size[1] for n in source.size)


def _second(inspection: Spectra, subject: Subject) -> Seeds | Pictures | None:
    if not inspection.against:
        return None
    if is_dataset(inspection.against):
        return Pictures(inspection.against, inspection.first_seed)
    other = second_network(inspection.against, subject)
    if other.info.c_dim and not subject.info.c_dim:
        raise UserError(f"{inspection.against} is conditional and this network is not: open that one, choose a class, "
                        "and take this one as what it is compared against.")
    return Seeds(other, inspection.first_seed)


def _signal(pixels: np.ndarray) -> Tensor:
    """uint8 [H, W, C] -> float32 [C, H, W], -1 .. 1."""
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1


def _marks(subject: Subject) -> tuple[tuple[float, str], ...]:
    image = tap_named(subject.info, "image")
    before = previous_nyquist(subject.generator.config, image)
    return ((image.rate / 2, "Nyquist"),) + (((before, "previous Nyquist"),) if before else ())


def _decibels(s: Tensor) -> np.ndarray:
    return (10 * s.clamp(min=FLOOR).log10()).cpu().numpy()


def _step(size: tuple[int, int], interp: int) -> int:
    """The least divisor of `interp` that brings a picture of the spectrum to LARGEST pixels, else `interp` itself."""
    steps = [step for step in range(1, interp + 1) if interp % step == 0]
    return next((step for step in steps if max(size) * interp // step <= LARGEST), interp)


def _told_apart(names: list[str]) -> list[str]:
    return names if len(set(names)) == len(names) else [f"{name} ({n})" for n, name in enumerate(names, start=1)]


# -- figures ----------------------------------------------------------------------------------------------------------

def _compared(shown: list[Averaged]) -> tuple[Fact, ...]:
    if len(shown) < 2:
        return ()
    return (Fact("difference", "Mean difference of the spectra", float(np.abs(_differences(shown)).mean()), "dB",
                 tip="Mean magnitude of the difference between both radial curves in dB, over the frequencies that "
                     "both have, from 1 cycle per image on"),)


def _sources(shown: list[Averaged], names: list[str]) -> Table:
    rows = tuple((name, one.pictures, f"{one.size[1]}x{one.size[0]}", one.mean, one.std)
                 for one, name in zip(shown, names))
    return Table("sources", "What was averaged", ("Source", "Pictures", "Size", "Mean", "Standard deviation"), rows,
                 tips=("A network's seeds, or a data set", "Those taken in so far", "Width and height in pixels",
                       "Of all values of its pictures, -1 .. 1", "Of all values of its pictures, -1 .. 1"))


def _differences(shown: list[Averaged]) -> np.ndarray:
    """The first less the second, in dB, at 1, 2, .. up to the lower Nyquist frequency."""
    count = min(len(one.radial) for one in shown)
    return shown[0].radial[1:count] - shown[1].radial[1:count]


def _comparison(shown: list[Averaged], names: list[str]) -> str:
    differences = _differences(shown)
    worst = int(np.abs(differences).argmax())
    more = "more" if differences[worst] > 0 else "less"
    return (f"{names[0]} has {abs(differences[worst]):.1f} dB {more} power than {names[1]} at {worst + 1} cycles per "
            f"image, where they differ most; over all frequencies they differ by {np.abs(differences).mean():.1f} dB.")


def _told(pictures: Pictures, used: int, done: int) -> list[str]:
    said = []
    if used < done:
        said.append(f"{pictures.name} has no more than {used} pictures that fit.")
    if pictures.skipped:
        said.append(f"{len(pictures.skipped)} of its pictures were skipped; the first: {pictures.skipped[0]}.")
    return said


def _pictures(shown: list[Averaged], names: list[str]) -> tuple[Picture, ...]:
    levels = [one.levels for one in shown]
    low = STEP_DB * math.floor(min(np.percentile(level, 0.1) for level in levels) / STEP_DB)
    high = STEP_DB * math.ceil(max(level.max() for level in levels) / STEP_DB)
    scale = Scale("viridis", low, high, "Power", "dB")
    drawn = [_drawn(f"spectrum_{n}", f"Average spectrum of {name}", one, one.levels, scale)
             for n, (one, name) in enumerate(zip(shown, names), start=1)]
    if len(shown) > 1 and levels[0].shape == levels[1].shape:
        difference = levels[0] - levels[1]
        limit = max(1.0, math.ceil(np.percentile(np.abs(difference), 99)))
        drawn.append(_drawn("difference", f"{names[0]} less {names[1]}", shown[0], difference,
                            Scale("coolwarm", -limit, limit, "Difference", "dB")))
    return tuple(drawn)


def _drawn(name: str, title: str, one: Averaged, levels: np.ndarray, scale: Scale) -> Picture:
    at = (levels - scale.low) / ((scale.high - scale.low) or 1)
    pixels = colours(scale.colormap)[(255 * at.clip(0, 1)).round().astype(int)]
    pixels.flags.writeable = False
    height, width = (extent / 2 for extent in one.extent)
    return Picture(name, title, pixels, scale, f"Zero frequency is in the middle; {width:g} cycles per image to the "
                   f"right and {height:g} up at the edges. Levels as in the curves.", "image", "spectrum")
