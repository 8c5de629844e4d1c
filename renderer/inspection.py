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


def option(default, help: str, low: float | None = None, high: float | None = None, unit: str = "") -> Any:
    return dataclasses.field(default=default, metadata={"help": help, "low": low, "high": high, "unit": unit})


@dataclass(frozen=True)
class Droplets:
    """Blobs that smuggle magnitude past StyleGAN1's normalisation, their cause and their places (StyleGAN2 sec. 2)."""
    kind: ClassVar[str] = "droplets"
    reads: ClassVar[tuple[str, ...]] = ONE
    layer: str = option("", "'b64.conv1': where the cause is looked into and undone; default: where the droplet is "
                        "strongest")
    samples: int = option(16, "how many seeds are searched for the strongest and the missing droplet", 0, 10000)
    first_seed: int = option(0, "the first of them")


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
class Sticking:
    """How much fine detail keeps its pixels while the picture moves: averaging test, slit scan (StyleGAN3 fig. 1)."""
    kind: ClassVar[str] = "sticking"
    reads: ClassVar[tuple[str, ...]] = ONE
    samples: int = option(64, "neighbours that are averaged, and moments of the slit scan", 2, 1024)
    motion: Literal["auto", "latent", "translation"] = option(
        "auto", "what moves the picture: a change of w, or StyleGAN3's input transform; auto: that one where there is")
    sigma: float = option(0.3, "latent: neighbours are w + sigma N, in units of the spread of w over seeds", 0.001, 10)
    toward: int = option(1, "latent: the seed whose w the slit scan goes to")
    shift: float = option(3.0, "translation: standard deviation of the neighbours' shifts, fractions and all, in pixels "
                          "of the image or of the layer that is tested", 0.01, 64, "px")
    travel: float = option(16.0, "translation: way of the slit scan along its line, in the same pixels", 1, 1024, "px")
    line: tuple[float, float, float, float] = option(
        (0.2, 0.5, 0.8, 0.5), "the slit: x, y of its two ends in shares of the image's width and height", 0, 1)
    first_seed: int = option(0, "the neighbours are drawn from this seed and those that follow")
    every_layer: bool = option(True, "test each layer too; translation takes a walk for each sampling rate then")


Inspection = Droplets | Filters | Layers | Sticking
KINDS: dict[str, type] = {cls.kind: cls for cls in (Droplets, Filters, Layers, Sticking)}


def check(inspection: Inspection) -> None:
    """Raises UserError on a number outside its limits."""
    for field in dataclasses.fields(inspection):
        low, high = (field.metadata.get(end) for end in ("low", "high"))
        value = getattr(inspection, field.name)
        numbers = [x for x in (value if isinstance(value, tuple) else (value,)) if isinstance(x, int | float)]
        if any(low is not None and x < low or high is not None and x > high for x in numbers):
            limits = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
            raise UserError(f"{field.name.replace('_', ' ')} is {value}, it must be {limits}.")
