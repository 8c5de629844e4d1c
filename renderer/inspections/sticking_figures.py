"""What the tests for texture sticking found, as figures."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from renderer import view
from renderer.colormaps import BACKDROP
from renderer.inspection import Sticking
from renderer.inspections.pictures import heat, picture
from renderer.measures import sticking
from renderer.report import Axis, Curve, Fact, Figure, Picture, Plot, Report, Scale, Table
from renderer.subject import Subject
from renderer.types import View

if TYPE_CHECKING:
    from renderer.inspections.sticking import Realigned, TapTests

SMALL = 128                              # pixels: the longer side of a layer's map
LINE = (255, 60, 60)                     # colour of the slit
STUCK, FREE = 0.5, 0.2                   # scores above and below which the first remark says so
STILL = 2.0                              # of 255 levels: less change than that cannot blur anything
SHARPNESS = Scale("viridis", 0, 1, "Stuck to the pixels")
AVERAGING = ("Averaging test (StyleGAN3 sec. 1, fig. 1 left): energy of the fine detail in the mean of all neighbours "
             "over their mean energy of it, averaged where there is texture. 1: all of it stays on its pixels; what "
             "moves or flickers goes to 1 / n for n neighbours.")
SLIT = ("Slit scan (StyleGAN3 fig. 1 right): of the fine detail along the line, the share of energy that does not "
        "change over the scan (less than one cycle). 1: streaks along the time axis.")
ALONG = ("As the averaging test, with each neighbour moved back first: the share of the fine detail that moves with "
         "the picture. What neither stays nor moves along flickers.")
MAP = ("Where the mean is as sharp as its neighbours: energy of fine detail in the mean over the mean energy, both "
       f"local ({sticking.NEIGHBOURHOOD} x {sticking.NEIGHBOURHOOD} pixels). Dark grey: no texture, not counted.")
SUMS = " Of sums of the layer's channels with random signs, which have the same energy on average."


def report(inspection: Sticking, subject: Subject, what: str, tests: list[TapTests], realigned: Realigned | None,
           done: int, total: int) -> Report:
    """`what` moves: 'w changes'; `tests`: of the layers, last of the image."""
    if not done:
        return Report(Sticking.kind, (), done, total)
    *layers, image = tests
    held, streaks = image.sharpness(), image.streaks()
    facts = [Fact("sticking", "Averaging test", held[2], tip=AVERAGING),
             Fact("streaks", "Slit scan", streaks, tip=SLIT)]
    if realigned:
        facts.append(Fact("moving", "Moves along", realigned.score(), tip=ALONG))
    figures = (*facts, *_image(image, held, realigned, done), *_scan(image), *_layers(tests))
    return Report(Sticking.kind, figures, done, total,
                  _remarks(inspection, subject, what, image, held[2], streaks, bool(layers)))


def _image(image: TapTests, held: tuple[Tensor, Tensor, float], realigned: Realigned | None, done: int) -> list[Figure]:
    first = picture(image.first[None]).copy()
    first[image.pixels[0].numpy(), image.pixels[1].numpy()] = LINE
    figures = [Picture("mean", f"Mean of {done}", picture(image.mean[None]), group="image",
                       tip="The mean of the neighbours. What is sharp in it stuck to its pixels (StyleGAN3 fig. 1)."),
               Picture("sharpness", "Its sharpness", _map(*held[:2]), SHARPNESS, MAP, "image", "image"),
               Picture("slit", "The slit", view.read_only(first), group="image",
                       tip="The request's own picture; the red line is what the slit scan shows over time.")]
    if realigned:
        figures.insert(1, Picture("realigned", "Mean, moved back", picture(realigned.mean[None]), group="image",
                                  tip="The mean of the neighbours, each moved back by as much as it was moved: what is "
                                      "sharp in it moves with the picture."))
    return figures


def _scan(image: TapTests) -> list[Figure]:
    detail = sticking.line_detail(image.scan)
    return [Picture("scan", "Slit scan", _rows(image, image.scan, "fixed"), group="scan",
                    tip=f"Across: position along the slit; down: time (moments to come repeat the nearest). {SLIT}"),
            Picture("scan_detail", "Its fine detail", _rows(image, detail, "symmetric"), group="scan",
                    tip="The slit scan without its blur along the slit: what the score is of. Grey: none.")]


def _layers(tests: list[TapTests]) -> list[Figure]:
    """Scores of every signal, then maps and scans of the layers; nothing if there is only the image."""
    if len(tests) == 1:
        return []
    maps = [one.sharpness() for one in tests]
    names, x = tuple(one.tap.name for one in tests), np.arange(len(tests), dtype=float)
    averaging, slit = [score for *_, score in maps], [one.streaks() for one in tests]
    curves = (Curve("Averaging test", x, np.array(averaging), dots=True),
              Curve("Slit scan", x, np.array(slit), dots=True))
    rows = tuple((name, one.size[1], *scores) for name, one, *scores in zip(names, tests, averaging, slit))
    stands_out = tuple(min(scores) > STUCK for scores in zip(averaging, slit))
    tip = "Both tests in every layer, in its own pixels." + SUMS
    figures = [
        Plot("scores", "Sticking in every layer", Axis("Layer", ticks=names), Axis("Score", low=0, high=1), curves,
             tip=tip),
        Table("layers", "Sticking in every layer", ("Layer", "Width (px)", "Averaging", "Slit scan"), rows,
              names, stands_out, ("", "Of what the image covers; margins are left out", AVERAGING, SLIT), tip)]
    for one, (ratio, textured, _) in zip(tests[:-1], maps):
        figures.append(Picture(f"sharpness_{one.tap.name}", one.tap.name, _map(ratio, textured, SMALL), SHARPNESS,
                               MAP + SUMS, one.tap.name, "sharpness of layers"))
    for one in tests[:-1]:
        figures.append(Picture(f"scan_{one.tap.name}", one.tap.name, _rows(one, one.scan, "symmetric"), None,
                               f"{SLIT} Three of the sums as red, green, blue.{SUMS}", one.tap.name,
                               "scans of layers"))
    return figures


def _remarks(inspection: Sticking, subject: Subject, what: str, image: TapTests, averaging: float, streaks: float,
             has_layers: bool) -> tuple[str, ...]:
    if math.isnan(averaging):
        return "There is no fine detail in this picture that could stick.",
    both = averaging, averaging if math.isnan(streaks) else streaks
    verdict = ("sticks to the pixels" if min(both) > STUCK else
               "moves with the picture" if max(both) < FREE else "sticks to the pixels in part")
    scanned = "" if math.isnan(streaks) else f", {streaks:.0%} of it along the slit"
    remarks = [f"Fine detail {verdict}: {averaging:.0%} of it stays where it is while {what}{scanned}."]
    by_w = what == "w changes"
    change = 127.5 * image.change
    if image.done > 1 and change < STILL:
        remarks.append(f"The neighbours differ by only {change:.2g} of 255 levels, too little to tell: raise "
                       f"{'sigma' if by_w else 'the shift'}.")
    if subject.info.has_noise and subject.request.synth.noise == "const":
        remarks.append("The noise of this network is fixed to the pixels and part of what sticks; with the noise "
                       "'none' what remains is the layers' own.")
    if by_w and has_layers:
        remarks.append("A change of w moves things in coarse layers by less than a pixel, so that these score high "
                       "whether they stick or not.")
    return tuple(remarks)


def _map(ratio: Tensor, textured: Tensor, most: int | None = None) -> np.ndarray:
    """A sharpness map, its longer side drawn in to `most`; uint8 [H, W, 3]."""
    factor = max(1.0, max(ratio.shape) / most) if most else 1.0
    size = [max(1, round(n / factor)) for n in ratio.shape]
    weight, weighted = (F.adaptive_avg_pool2d(x[None].float(), size)[0].cpu() for x in (textured, ratio * textured))
    pixels = heat((weighted / weight.clamp(min=1e-9)).numpy(), SHARPNESS).copy()
    pixels[(weight == 0).numpy()] = BACKDROP
    return view.read_only(pixels)


def _rows(tests: TapTests, scan: Tensor, scaled: str) -> np.ndarray:
    """A slit scan [T, K, L] in the viewer's range of that name, a row that is still to come as the nearest one seen."""
    times, seen = np.arange(len(tests.seen)), np.flatnonzero(tests.seen)
    nearest = seen[np.abs(times[:, None] - seen).argmin(axis=1)]
    return view.picture(scan[torch.from_numpy(nearest)].transpose(0, 1), View(range=scaled))
