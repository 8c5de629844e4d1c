"""The figures and the conclusion of the search for droplets."""
from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from renderer.colormaps import colours
from renderer.inspections.droplet_findings import Findings, Layer, Seed
from renderer.inspections.pictures import LEVELS, heat, picture
from renderer.measures.droplets import LARGEST_AREA, LEAST_DOMINANCE, LEAST_RATIO, LEAST_RESOLUTIONS, NEAR, Blob
from renderer.report import Axis, Curve, Fact, Figure, Picture, Plot, Scale, Table
from renderer.view import read_only

HEAT = Scale("magma", 0, 40, "Energy", "dB over median")     # LEAST_RATIO is its middle
FLOOR = 1e-30                            # stands for a median of nothing

RATIO = "Largest over median energy of a pixel; its energy is the mean over channels of x² (StyleGAN2 sec. 2)."
SHARE = "Part of the layer's energy in the strongest 0.1 % of its pixels, at least one. Without structure: 0.1 %."
PLACE = "Of the strongest pixel's centre, in image units: 0 is the top or the left edge, 1 the bottom or the right."
SIZE = ("Diameter of a disc of the blob's area, in % of the image. The blob is the connected region above a tenth of "
        "the peak around it.")
ALONE = "The blob's part in the energy of all pixels above a tenth of the peak; less, where others are as strong."
FLAG = (f"A droplet: at least {LEAST_RATIO:g} times the median energy, in a blob of at most {LARGEST_AREA:.0%} of the "
        f"image that holds at least {LEAST_DOMINANCE:.0%} of what is above a tenth of the peak, and keeps its place "
        f"(within 1/{1 / NEAR:.0f} of the image, or a pixel and a half) over at least {LEAST_RESOLUTIONS} consecutive "
        "resolutions.")
COLUMNS = {"Peak ratio": RATIO, "Share (%)": SHARE, "y": PLACE, "x": PLACE, "Diameter (% of image)": SIZE,
           "Alone (%)": ALONE}
DEFLATION = ("Standard deviation with the blob over that without, median over channels: by how much instance "
             "normalisation, where there is any, makes everything but the blob smaller.")

UNDONE = {
    "without": ("Without the blob", "by the mean and the variance of all pixels but the blob's"),
    "bypassed": ("Not normalised", "by nothing at all"),
}


def fixed(found: Findings) -> tuple[Figure, ...]:
    """All but the search's, once the latent has been looked at."""
    return (*_facts(found), *_image(found), *map(_map, found.layers), _ratios(found), _table(found), *_cause(found),
            *_undone(found))


def remarks(found: Findings) -> tuple[str, ...]:
    if not found.layers:
        return ()
    said = [_conclusion(found)]
    if found.normalises:
        said.append(_cause_in_words(found))
    else:
        said.append(f"This {found.family} has no instance normalisation behind its activations that a droplet could "
                    "deceive: there is nothing to undo.")
    return (*said, in_words(found)) if found.seeds else tuple(said)


# -- conclusion -------------------------------------------------------------------------------------------------------

def _conclusion(found: Findings) -> str:
    droplets, best = [layer for layer in found.layers if layer.is_droplet], found.best
    if not droplets:
        return (f"No droplet: no small blob of at least {LEAST_RATIO:g} times the median energy keeps its place over "
                f"{LEAST_RESOLUTIONS} resolutions; the largest peak ratio is {_number(best.blob.peak_ratio)}, in "
                f"{best.name}.")
    y, x = best.blob.place
    return (f"A droplet: a blob at y {y:.2f}, x {x:.2f} of the image stays there from {droplets[0].tap.rate:g} to "
            f"{droplets[-1].tap.rate:g} samples per image, with up to {_number(best.blob.peak_ratio)} times the median "
            f"energy, in {best.name}.")


def _cause_in_words(found: Findings) -> str:
    layer = found.chosen
    if not layer.blob.stands_out:
        return (f"The strongest blob of {layer.name} is no droplet ({_number(layer.blob.peak_ratio)} times the median "
                f"energy, {layer.blob.area:.1%} of the image): what changes without it is not a droplet's doing.")
    return (f"In {layer.name} the blob makes a typical channel's standard deviation {layer.deflation:.3g} times what "
            "it is without; by so much normalisation makes all the rest smaller.")


def in_words(found: Findings) -> str:
    """The search's result so far."""
    count, missing = len(found.seeds), sorted(row.seed for row in found.seeds if not row.has_droplet)
    named = ", ".join(map(str, missing[:8])) + (", .." if len(missing) > 8 else "")
    named = f"; missing in {named}" if 0 < len(missing) < count else ""
    return f"Seeds with a droplet: {count - len(missing)} of {count}{named}."


def _number(x: float) -> str:
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


# -- figures ----------------------------------------------------------------------------------------------------------

def _facts(found: Findings) -> tuple[Fact, ...]:
    best = found.best
    y, x = best.blob.place
    rates = {layer.tap.rate for layer in found.layers if layer.is_droplet}
    return (
        Fact("resolutions", "Droplet at", len(rates), "resolutions", tip=FLAG),
        Fact("peak_ratio", f"Peak ratio in {best.name}", best.blob.peak_ratio, "x median", tip=RATIO),
        Fact("share", "Top 0.1 % of pixels hold", 100 * best.blob.share, "% of energy", tip=SHARE),
        Fact("place", "Strongest at", f"y {y:.3f}, x {x:.3f}", tip=PLACE))


def _image(found: Findings) -> tuple[Picture, ...]:
    best, plain = found.best, picture(found.image)
    is_marked = best.is_droplet and all(0 <= at < 1 for at in best.blob.place)
    tip = f"The energy map of {best.name} laid over the image; its colours show where it is above the layer's median."
    return (Picture("image", "Image", plain, group="image", tap="image", spot=best.blob.place if is_marked else None,
                    tip="The image, with the place of a droplet marked: the image itself may hide it."),
            Picture("image_energy", f"Energy of {best.name} over it", _over(plain, best), HEAT, tip, best.tap.name,
                    "image"))


def _over(image: np.ndarray, layer: Layer) -> np.ndarray:
    """Heat over the image [H, W, 3] in grey, the less of it the less energy."""
    height, width = layer.energy.shape
    inner = (height, width) if layer.tap.rate == width else (round(layer.tap.rate),) * 2
    top, left = ((whole - part) // 2 for whole, part in zip((height, width), inner))
    level = torch.from_numpy(_decibels(layer.energy)[top:top + inner[0], left:left + inner[1]] / HEAT.high).clamp(0, 1)
    level = F.interpolate(level[None, None], image.shape[:2], mode="bilinear")[0, 0].numpy()
    heated = colours(HEAT.colormap)[np.rint(255 * level).astype(np.uint8)]
    grey = image.mean(axis=2, keepdims=True)
    return read_only(np.rint(grey + level[..., None] * (heated - grey)).astype(np.uint8))


def _decibels(energy: np.ndarray) -> np.ndarray:
    """float32 [H, W] over its median."""
    return 10 * np.log10(np.maximum(energy, FLOOR) / max(float(np.median(energy)), FLOOR)).astype(np.float32)


def _map(layer: Layer) -> Picture:
    height, width = layer.energy.shape
    y, x = layer.blob.pixel
    ratio = _number(layer.blob.peak_ratio)
    tip = f"Energy of each pixel of {layer.tap.name}, over the median. Peak ratio {ratio}. {FLAG}"
    return Picture(f"energy_{layer.name}", layer.name, heat(_decibels(layer.energy), HEAT), HEAT, tip, layer.tap.name,
                   "layers", ((y + 0.5) / height, (x + 0.5) / width) if layer.is_droplet else None)


def _ratios(found: Findings) -> Plot:
    names = tuple(layer.name for layer in found.layers)
    ratios = np.array([layer.blob.peak_ratio for layer in found.layers])
    highest = max(10 * LEAST_RATIO, 2 * ratios[np.isfinite(ratios)].max(initial=0))
    return Plot("peak_ratio_of_layers", "Peak ratio of each layer", Axis("Layer", ticks=names),
                Axis("Peak ratio", "x median", True, 1, highest),
                (Curve("peak ratio", np.arange(len(names), dtype=float), ratios, dots=True),),
                levels=((LEAST_RATIO, "droplets: above"),), tip=f"{RATIO} {FLAG}")


def _table(found: Findings) -> Table:
    layers = found.layers
    rows = tuple((layer.name, "yes" if layer.is_droplet else "no", *_row(layer.blob), layer.deflation, layer.tap.rate)
                 for layer in layers)
    return Table("layers", "The strongest blob of each layer",
                 ("Layer", "Droplet", *COLUMNS, "Deflation (x)", "Samples per image"), rows,
                 tuple(layer.tap.name for layer in layers), tuple(layer.is_droplet for layer in layers),
                 ("The blob is looked for behind the activation, before any normalisation.", FLAG, *COLUMNS.values(),
                  DEFLATION, "The layer's resolution."))


def _row(blob: Blob) -> tuple[float, ...]:
    """What COLUMNS name."""
    return blob.peak_ratio, 100 * blob.share, *blob.place, 100 * blob.diameter, 100 * blob.dominance


def _cause(found: Findings) -> tuple[Plot, ...]:
    """Standard deviations of the chosen layer's channels, before and after its normalisation."""
    layer = found.chosen
    order = np.argsort(-layer.spread, kind="stable")
    whole, rest = (np.maximum(values[order], FLOOR) for values in (layer.spread, layer.spread_rest))
    rank, x = np.arange(len(order), dtype=float), Axis("Channel", "the strongest first")

    def plot(name: str, title: str, y: Axis, curves: dict[str, np.ndarray], tip: str) -> Plot:
        return Plot(name, title, x, y, tuple(Curve(text, rank, values) for text, values in curves.items()), tip=tip)
    before = plot("cause_before", f"{layer.name}{' before normalisation' if found.normalises else ''}",
                  Axis("Standard deviation", logarithmic=True), {"with the blob": whole, "without": rest},
                  "Standard deviation over the pixels of each channel, all of them and all but the blob's.")
    after = plot("cause_after", f"The rest of {layer.name} after normalisation", Axis("Standard deviation", low=0),
                 {"by statistics with the blob": rest / whole, "without": np.ones_like(rest)},
                 "Standard deviation of all but the blob, once each channel is divided by that of all its pixels "
                 "(StyleGAN1 eq. 1) or of all but the blob's. 1: not deflated.")
    return (before, after) if found.normalises else (before,)


def _undone(found: Findings) -> tuple[Picture, ...]:
    if not found.undone:
        return ()
    where = found.chosen.name + (" and later layers" if found.asked.onwards else "")
    shown = [Picture("as_it_is", "As it is", picture(found.image), group="undone", tap="image")]
    for name, (title, tip) in UNDONE.items():
        if name in found.undone:
            pixels, change = found.undone[name]
            scale = Scale("magma", 0, max(1.0, float(np.nan_to_num(change).max())), "Change", LEVELS)
            shown += [
                Picture(name, title, pixels, group="undone",
                        tip=f"The image if {where} normalised {tip} (StyleGAN2 sec. 2); the styles are as before."),
                Picture(f"{name}_change", "Its change", heat(change, scale), scale, group="undone",
                        tip="Magnitude of the difference to the image as it is, mean over its colours.")]
    return tuple(shown)


# -- search -----------------------------------------------------------------------------------------------------------

def search(found: Findings) -> tuple[Figure, ...]:
    if not found.seeds:
        return ()
    rows = tuple((row.seed, "yes" if row.has_droplet else "missing", row.layer, *_row(row.blob))
                 for row in found.seeds)
    table = Table("seeds", "Search, the strongest first", ("Seed", "Droplet", "Layer", *COLUMNS), rows,
                  flagged=tuple(found.seeds[0].has_droplet and not row.has_droplet for row in found.seeds),
                  tips=("", FLAG, "Where the droplet is strongest; without one, the layer of the largest peak ratio.",
                        *COLUMNS.values()))
    return (*(_end(found, row) for row in dict.fromkeys((found.seeds[0], found.seeds[-1]))), table)


def _end(found: Findings, row: Seed) -> Picture:
    is_first = row is found.seeds[0]
    name = "strongest" if is_first else "weakest"
    state = name if row.has_droplet else "none"
    return Picture(f"{name}_seed", f"Seed {row.seed}: {state}", found.pictures[row.seed], group="search",
                   spot=row.blob.place if row.has_droplet else None,
                   tip="The image of the seed with the strongest droplet." if is_first else
                   "The image of the seed with the weakest droplet, or with none.")
