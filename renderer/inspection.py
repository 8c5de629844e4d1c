"""What the lab can look into, one frozen class a kind: the part of a request that an estimate answers. No torch.

A field's `option` gives the command line its help, the window its tooltip, and both its limits.
"""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from nets.errors import UserError

# Places of a request that decide what a network makes of one latent, and of many seeds.
ONE = ("latent", "mix", "synth")
MANY = ("latent.psi", "latent.cutoff", "latent.classes", "synth.noise", "synth.lod")
SEEDS = ("latent.psi", "latent.cutoff", "latent.classes", "synth")      # many, under the same noise each


def option(default, help: str, low: float | None = None, high: float | None = None, unit: str = "") -> Any:
    return dataclasses.field(default=default, metadata={"help": help, "low": low, "high": high, "unit": unit})


@dataclass(frozen=True)
class Droplets:
    """Blobs that smuggle magnitude past StyleGAN1's normalisation, their cause and their places (StyleGAN2 sec. 2)."""
    kind: ClassVar[str] = "droplets"
    reads: ClassVar[tuple[str, ...]] = ONE
    layer: str = option("", "'b64.conv1': where the cause is looked into and undone; default: where the droplet is "
                        "strongest")
    onwards: bool = option(False, "undo it in all later layers too: each of them has a droplet of its own")
    samples: int = option(16, "how many seeds are searched for the strongest and the missing droplet", 0, 10000)
    first_seed: int = option(0, "the first of them")


@dataclass(frozen=True)
class Equivariance:
    """Whether the picture follows when its input is translated or turned (StyleGAN3 sec. 2, app. E), and where not."""
    kind: ClassVar[str] = "equivariance"
    reads: ClassVar[tuple[str, ...]] = MANY
    samples: int = option(64, "how many seeds' pictures are taken in, each of them translated and turned", 2, 10_000)
    first_seed: int = option(0, "the first of them")
    one_tap: tuple[str, ...] = option((), "layers whose filters are replaced by one tap, to see equivariance break "
                                      "there: 'L3', or 'all'")


@dataclass(frozen=True)
class Filters:
    """The filters of one StyleGAN3 layer, in time and frequency (StyleGAN3 fig. 4a)."""
    kind: ClassVar[str] = "filters"
    reads: ClassVar[tuple[str, ...]] = ("tap",)  # places of the request that it depends on beside the network
    layer: str = option("", "'L7_276_645'; default: the layer that is looked at, else the middle one")
    widened: float = option(1.5, "beside each filter the same design with a transition band so many times as wide, "
                            "which attenuates more, as fig. 4a has it; 1: none", 0.1, 10, "x")


@dataclass(frozen=True)
class Layers:
    """The plan of all layers: band limits and sampling rates (StyleGAN3 fig. 4c), channels, sizes, cost."""
    kind: ClassVar[str] = "layers"
    reads: ClassVar[tuple[str, ...]] = ()
    runs: int = option(5, "how often the network is run to time its layers, of which the median is shown; 0: not "
                       "timed", 0, 1000)


@dataclass(frozen=True)
class Spectra:
    """Average power spectra, beside a data set's or another network's, and the layers' aliasing (StyleGAN3 app. A)."""
    kind: ClassVar[str] = "spectra"
    reads: ClassVar[tuple[str, ...]] = (*MANY, "synth.transform")
    samples: int = option(64, "how many seeds are averaged, and as many of the second source", 1, 100_000)
    first_seed: int = option(0, "the first of them; a data set's pictures are drawn by it")
    against: str = option("", "a second source: a data set (a folder or .zip of pictures) or another network")
    kaiser_beta: float = option(8.0, "shape of the window: larger keeps strong frequencies from leaking far, and "
                                "smears them more nearby", 0, 40)
    interp: int = option(4, "how finely the pictures' spectra are drawn, by padding with zeros", 1, 4, "x")
    every_layer: bool = option(True, "each layer's spectrum too, and its aliasing budget")


@dataclass(frozen=True)
class Sticking:
    """How much fine detail keeps its pixels while the picture moves: averaging test, slit scan (StyleGAN3 fig. 1)."""
    kind: ClassVar[str] = "sticking"
    reads: ClassVar[tuple[str, ...]] = ONE
    samples: int = option(64, "neighbours that are averaged, and moments of the slit scan", 2, 1024)
    motion: Literal["auto", "latent", "translation"] = option(
        "auto", "what moves the picture: a change of w, or StyleGAN3's input transform; auto: that one where there is")
    sigma: float = option(0.3, "latent: neighbours are w + sigma N, in units of the spread of w over seeds", 0.001, 10)
    toward: int = option(1, "latent: the seed whose w the slit scan goes to")
    shift: float = option(5.0, "translation: standard deviation of the neighbours' shifts, fractions and all, in "
                          "pixels of the image or of the layer that is tested", 0.01, 64, "px")
    travel: float = option(32.0, "translation: way of the slit scan along its line, in the same pixels", 1, 1024, "px")
    line: tuple[float, float, float, float] = option(
        (0.2, 0.5, 0.8, 0.5), "the slit: x, y of its two ends in shares of the image's width and height", 0, 1)
    first_seed: int = option(0, "the neighbours are drawn from this seed and those that follow")
    every_layer: bool = option(True, "test each layer too; translation takes a walk for each sampling rate then")


@dataclass(frozen=True)
class LatentPath:
    """Pictures between two seeds, straight in W and round in Z, and the path length on the way (StyleGAN sec. 4.1)."""
    kind: ClassVar[str] = "path"
    reads: ClassVar[tuple[str, ...]] = SEEDS
    start_seed: int = option(0, "the seed it starts at")
    end_seed: int = option(1, "the seed it ends at")
    steps: int = option(6, "pictures shown on each way", 2, 64)
    samples: int = option(32, "points of each way where the speed of change is measured", 2, 1000)
    detector: str = option("", "vgg16.pt, the TorchScript file of StyleGAN2-ADA's metrics, for perceptual distances; "
                           "default: distances in pixels")


@dataclass(frozen=True)
class Mixing:
    """Style-mixing tables: what coarse, middle and fine rows of w carry over (StyleGAN sec. 3.1, fig. 3)."""
    kind: ClassVar[str] = "mixing"
    reads: ClassVar[tuple[str, ...]] = SEEDS
    part: Literal["each", "coarse", "middle", "fine"] = option("each", "which rows come from A; each: a table for each")
    rows: tuple[int, ...] = option((), "these rows of w instead: 0,1,2")
    sources_a: tuple[int, ...] = option((1, 2, 3, 4), "seeds across the top, which give the rows")
    sources_b: tuple[int, ...] = option((10, 11, 12), "seeds down the side, which give all else")


@dataclass(frozen=True)
class Noise:
    """The picture without noise and with that of some layers, and where noise acts (StyleGAN fig. 4, 5)."""
    kind: ClassVar[str] = "noise"
    reads: ClassVar[tuple[str, ...]] = ONE
    samples: int = option(100, "realisations of the noise behind the map of standard deviations", 0, 1000)
    first_seed: int = option(0, "noise seed of the first of them; those that follow count on from it")
    coarse: float = option(1.0, "times the strength of noise in layers up to 32 x 32", 0, 4, "x")
    fine: float = option(1.0, "times the strength of noise in layers of 64 x 64 and more", 0, 4, "x")
    strengths: tuple[float, ...] = option((), "times the strength in each layer, in network order: 1,0,2; left out: 1",
                                          0, 4, "x")
    place: tuple[float, float] = option((0.5, 0.5), "centre of the detail shown: y, x in shares of the picture", 0, 1)


@dataclass(frozen=True)
class Truncation:
    """The truncation sweep, and what truncation costs in variety (StyleGAN app. B, fig. 8)."""
    kind: ClassVar[str] = "truncation"
    reads: ClassVar[tuple[str, ...]] = ("latent.x", "latent.y", "latent.z", "latent.w", "latent.classes",
                                        "latent.cutoff", "mix", "synth")         # all but psi
    low: float = option(-1.0, "psi of the first picture", -2, 2)
    high: float = option(1.0, "psi of the last picture", -2, 2)
    steps: int = option(9, "pictures in a row", 1, 64)
    examples: int = option(2, "seeds swept beside the open latent", 0, 16)
    samples: int = option(16, "pairs of seeds behind the curve of variety", 0, 1000)
    first_seed: int = option(1, "the first of the seeds")


Inspection = Droplets | Equivariance | Filters | LatentPath | Layers | Mixing | Noise | Spectra | Sticking | Truncation
KINDS: dict[str, type] = {cls.kind: cls for cls in (
    Droplets, Equivariance, Filters, LatentPath, Layers, Mixing, Noise, Spectra, Sticking, Truncation)}


def check(inspection: Inspection) -> None:
    """Raises UserError on a number outside its limits."""
    for field in dataclasses.fields(inspection):
        low, high = (field.metadata.get(end) for end in ("low", "high"))
        value = getattr(inspection, field.name)
        numbers = [x for x in (value if isinstance(value, tuple) else (value,)) if isinstance(x, int | float)]
        if any(low is not None and x < low or high is not None and x > high for x in numbers):
            limits = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
            raise UserError(f"{field.name.replace('_', ' ')} is {value}, it must be {limits}.")
