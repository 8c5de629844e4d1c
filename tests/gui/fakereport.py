"""A report with every type of figure, computed from the request: what a slow estimate shows sample by sample."""
from dataclasses import replace

import numpy as np

from renderer.colormaps import colours
from renderer.report import Axis, Curve, Fact, Picture, Plot, Report, Scale, Table
from renderer.types import RenderRequest

TOTAL = 40
LAYERS = tuple(f"b{r}.conv{i}.act" for r in (8, 16, 32, 64) for i in (0, 1))


def refused(request: RenderRequest) -> bool:
    return "refused" in request.checkpoint.path


def report(request: RenderRequest, done: int) -> Report:
    kind, seed = request.inspect.kind, request.latent.x
    if refused(request):
        return Report(kind, (), 0, 0, refusal="there is nothing to look into here; open another network.")
    if done == 0:
        return Report(kind, (), 0, TOTAL)
    facts = (Fact("peak", "Peak ratio", 12.5 + seed, "x median", 11.9 + seed, 13.1 + seed,
                  "Largest over median energy of a pixel"),
             Fact("share", "Share of energy", 7.25, "%", tip="Of the top 0.1 % of pixels"),
             Fact("place", "Place", "y 16, x 20"))
    return Report(kind, (*facts, *pictures(done), curves(done), layers(done), table(seed)), done, TOTAL,
                  ("One blob holds 7.25 % of the energy.", "The network is untrained."))


def pictures(done: int) -> tuple[Picture, ...]:
    y, x = np.mgrid[0:24, 0:24] / 24
    energy = np.exp(-((y - 0.25) ** 2 + (x - 0.5) ** 2) * (10 + done))
    pixels = colours("magma")[np.rint(255 * energy).astype(np.uint8)]
    scale = Scale("magma", 0.0, 12.5, "Energy", "x median")
    group = tuple(Picture(f"energy_{layer}", layer, pixels, scale, "Mean over channels of x²", layer, "energy",
                          (0.25, 0.5)) for layer in LAYERS[:5])
    wide = Picture("slit", "Slit scan", np.tile(pixels, (1, 4, 1)), replace(scale, label="Brightness", unit=""))
    return *group, wide


def curves(done: int) -> Plot:
    x = np.arange(1.0, 33.0)
    y = -20 * np.log10(x)
    band = 6 / np.sqrt(done)
    data = np.where(x > 24, np.nan, y - 3)
    return Plot("spectrum", "Mean spectrum", Axis("Frequency", "cycles per image", logarithmic=True),
                Axis("Level", "dB"), (Curve("Model", x, y, y - band, y + band), Curve("Data", x, data)),
                ((16.0, "f_c"), (24.0, "Nyquist")), ((-25.0, "noise floor"),), "StyleGAN3 app. A")


def layers(done: int) -> Plot:
    x = np.arange(len(LAYERS), dtype=float)
    y = 60 - 3 * x
    return Plot("depth", "Equivariance over depth", Axis("Layer", ticks=LAYERS), Axis("EQ-T", "dB"),
                (Curve("EQ-T", x, y, y - 2, y + 2, dots=True),), levels=((30.0, "unrelated images"),))


def table(seed: float) -> Table:
    rows = tuple((layer, 3.0 + 2 * index + seed, index * 1.25, None if index == 3 else 10 - index)
                 for index, layer in enumerate(LAYERS))
    return Table("layers", "Every layer", ("Layer", "Peak ratio", "Share (%)", "Size (pixels)"), rows, LAYERS,
                 tuple(index > 5 for index in range(len(rows))), ("", "Largest over median energy of a pixel"))
