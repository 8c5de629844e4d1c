"""What the equivariance estimate shows: EQ in dB beside unrelated pictures, the open picture moved, dB over layers."""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from nets.stages import Tap
from renderer import view
from renderer.colormaps import BACKDROP
from renderer.inspections.pictures import heat, picture
from renderer.measures.equivariance import PEAK_DB, Level, level, masked_error
from renderer.report import Axis, Curve, Fact, Figure, Picture, Plot, Scale, Table

PICTURES = (                             # what is measured of pictures: name, label, definition
    ("eq_t", "EQ-T", "The input is translated by up to an eighth of the picture, in whole pixels. 20 log10 2 - 10 "
     "log10 of the mean squared difference to the translated picture (StyleGAN3 app. E.2)."),
    ("eq_t_frac", "EQ-T frac", "As EQ-T, translated by fractions of pixels too: the picture is translated by a Lanczos "
     "kernel (StyleGAN3 app. E.2)."),
    ("eq_r", "EQ-R", "The input is turned by any angle. 20 log10 2 - 10 log10 of the mean squared difference to the "
     "turned picture, both without the frequencies that turning costs (StyleGAN3 app. E.3)."),
    ("unrelated", "Unrelated pictures", "The same for two pictures of different seeds: what a network reaches whose "
     "pictures don't follow at all. The more alike its pictures are, the higher it is."),
)
CLEAR_DB, ROUGH_DB = 20, 6               # above unrelated pictures: a hundredth and a quarter of their squared error
SAME_DB = 100                            # from here on signals are the same but for rounding in float32
STEPS = tuple(m * 10.0 ** e for e in range(-4, 3) for m in (1, 2, 5))      # where colour bars may end
NOT_RIGID = "The input transform is not just a translation and a rotation, so the open picture can't be moved back."
COLUMNS = {
    "Layer": "",
    "Sampling rate (samples per image)": "of the layer's output",
    "Cutoff (cycles per image)": "f_c of the layer's output",
    "Equivariance (dB)": "energy of the layer's signal over that of its difference to itself translated",
    "Low (dB)": "low end of the 95 % confidence interval",
    "High (dB)": "high end of the 95 % confidence interval",
    "Error added (%)": "squared difference in this layer less that of the layer before, in shares of the energy",
    "Unrelated (dB)": "the same between signals of different seeds; none where w has no effect",
    "One tap (dB)": "equivariance with the chosen layers' filters replaced by one tap",
    "Error added, one tap (%)": "the error added, with the chosen layers' filters replaced by one tap",
}
OVER_LAYERS = ("The input is translated by fractions of samples; 10 log10 of a layer's energy over that of its "
               "difference to itself translated, in its own sampling grid and within the image; exact to 75 dB up to "
               "70 % of Nyquist (docs/inspection.md, Equivariance). Unrelated signals have no value "
               "where w has no effect, as in an untrained network's input.")


class Found:
    """What samples [n, networks, quantities, 2] of (error, weight) say: the quantities are PICTURES, then (translated,
    unrelated) for each layer; the networks are the open one and, if any layers have one tap, that."""

    def __init__(self, layers: Sequence[Tap], one_tap: Sequence[str], samples: np.ndarray):
        count = len(PICTURES)
        self._layers, self._one_tap, self._count = layers, one_tap, len(samples)
        self._names = [layer.name.partition(".")[0] for layer in layers]
        if self._count:
            self._pictures = level(samples[:, :, :count], PEAK_DB)
            self._followed, unrelated = (level(samples[:, :, count + i::2]) for i in (0, 1))
            self._unrelated = Level(*(np.where(unrelated.db < SAME_DB, end, math.nan) for end in unrelated))

    def facts(self) -> tuple[Fact, ...]:
        if not self._count:
            return ()
        kinds = [("", ""), ("_one_tap", ", one tap")][:len(self._pictures.db)]
        return tuple(Fact(name + suffix, label + words, float(db[i]), "dB", _end(low[i]), _end(high[i]), tip)
                     for (suffix, words), db, low, high in zip(kinds, *self._pictures)
                     for i, (name, label, tip) in enumerate(PICTURES))

    def remarks(self) -> tuple[str, ...]:
        if not self._count:
            return ()
        eq_t, _, eq_r, unrelated = self._pictures.db[-1]
        sentences = [_verdict("Moving", "moves", "EQ-T", eq_t, unrelated), _verdict("Turning", "turns", "EQ-R", eq_r,
                                                                                    unrelated)]
        added = _added(self._followed.db[-1])
        worst = int(np.nanargmax(added)) if np.isfinite(added).any() else 0
        sentences.append(f"Translation is lost most in {self._names[worst]}: it adds {100 * added[worst]:.2g} % of the "
                         f"signal's energy in error, and {self._followed.db[-1][worst]:.1f} dB are left.")
        if self._one_tap:
            sentences.insert(0, f"With the filters of {', '.join(self._one_tap)} replaced by one tap:")
        return (" ".join(sentences), "Equivariance is what lies above unrelated pictures; none of these figures says "
                "that pictures are good.")

    def over_layers(self) -> tuple[Figure, ...]:
        return (self._plot(), self._table()) if self._count else ()

    def _plot(self) -> Plot:
        x = np.arange(len(self._names), dtype=float)

        def curve(name: str, found: Level, network: int) -> Curve:
            return Curve(name, x, found.db[network], found.low[network], found.high[network], dots=True)
        curves = [curve("translated", self._followed, 0), curve("unrelated pictures", self._unrelated, 0)]
        if self._one_tap:
            curves.insert(1, curve("translated, one tap", self._followed, 1))
        marks = tuple((float(self._names.index(name)), "one tap") for name in self._one_tap)
        return Plot("over_layers", "Equivariance over layers", Axis("Layer", ticks=tuple(self._names)),
                    Axis("Signal over error", "dB"), tuple(curves), marks, tip=OVER_LAYERS)

    def _table(self) -> Table:
        followed, unrelated = self._followed, self._unrelated
        values = [followed.db[0], followed.low[0], followed.high[0], 100 * _added(followed.db[0]), unrelated.db[0]]
        if self._one_tap:
            values += [followed.db[1], 100 * _added(followed.db[1])]
        rows = tuple((layer.name, layer.rate, layer.cutoff, *(_end(value) for value in row))
                     for layer, *row in zip(self._layers, *values))
        added = _added(followed.db[-1])
        flagged = tuple(bool(share == np.nanmax(added)) for share in added)
        return Table("layers", "Equivariance over layers", tuple(COLUMNS)[:3 + len(values)], rows,
                     tuple(layer.name for layer in self._layers), flagged, tuple(COLUMNS.values())[:3 + len(values)],
                     "The flagged layer adds most of the error.")


def of_frame(plain: Tensor, moved: Tensor, back: Tensor, target: Tensor, mask: Tensor, matrix: Tensor,
             ) -> tuple[Figure, ...]:
    """The open picture [1, C, H, W], moved as `matrix` [3, 3] says, and moved back, with its difference to `target`,
    the picture with the frequencies that `back` can have, where `mask` is 1."""
    x, y, degrees = matrix[0, 2].item(), matrix[1, 2].item(), math.degrees(math.atan2(matrix[0, 1], matrix[0, 0]))
    how = f"by {100 * x:.3g} % right, {100 * y:.3g} % down, {degrees:.3g}° counter-clockwise"
    error, weight = masked_error(back, target, mask)
    psnr = level(np.array([[error, weight]]), PEAK_DB).db if weight else math.nan
    tip = "The input is moved, not the picture (StyleGAN3 sec. 2)."
    return (Fact("psnr", "This picture", float(psnr), "dB", tip="20 log10 2 - 10 log10 of the mean squared difference "
                 f"between the open picture and itself, moved {how} and back."),
            Picture("picture", "As it is", picture(plain), group="frame", tap="image"),
            Picture("moved", "Of the moved input", picture(moved), tip=f"Moved {how}. {tip}", group="frame"),
            Picture("back", "Moved back", _masked(picture(back), mask), group="frame",
                    tip="The picture of the moved input, moved back as a picture, where it is known."),
            _differences(back, target, mask))


def _differences(back: Tensor, target: Tensor, mask: Tensor) -> Picture:
    share = 50 * ((back - target)[0].square().mean(dim=0).sqrt() * mask[0, 0]).cpu().numpy()
    largest = float(share.max())
    scale = Scale("magma", 0, next((step for step in STEPS if step >= largest), STEPS[-1]), "Difference",
                  "% of the range")
    return Picture("difference", "Difference", _masked(heat(share, scale), mask), scale, group="frame",
                   tip="Between the open picture and itself, moved and moved back: the root of the mean square over "
                       "colours, in percent of the range from black to white. An equivariant network leaves none.")


def _masked(pixels: np.ndarray, mask: Tensor) -> np.ndarray:
    """uint8 [H, W, 3] with the viewer's backdrop where the mask [1, 1, H, W] is 0."""
    return view.read_only(np.where(mask[0, 0, :, :, None].cpu().numpy() > 0, pixels, np.uint8(BACKDROP)))


def _verdict(doing: str, does: str, name: str, db: float, unrelated: float) -> str:
    above = db - unrelated
    how = "" if above >= CLEAR_DB else " only roughly" if above >= ROUGH_DB else " hardly"
    return (f"{doing} the input{how} {does} the picture: {name} is {db:.1f} dB, {abs(above):.1f} dB "
            f"{'above' if above >= 0 else 'below'} unrelated pictures.")


def _added(db: np.ndarray) -> np.ndarray:
    """Relative error of each layer less that of the layer before."""
    share = 10 ** (-db / 10)
    return np.diff(share, prepend=0.0)


def _end(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
