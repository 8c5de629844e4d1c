"""What the lab can look into, one frozen class a kind: the part of a request that an estimate answers. No torch.

A field's `option` gives the command line its help, the window its tooltip, and both its limits.
"""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from nets.errors import UserError

# Places of a request that decide what a network makes of one latent, and of many seeds.
ONE = ("latent", "mix", "synth")
MANY = ("latent.psi", "latent.cutoff", "latent.classes", "synth.noise", "synth.lod")


def option(default, help: str, low: float | None = None, high: float | None = None, unit: str = "") -> Any:
    return dataclasses.field(default=default, metadata={"help": help, "low": low, "high": high, "unit": unit})


@dataclass(frozen=True)
class Filters:
    """The filters of one StyleGAN3 layer, in time and frequency (StyleGAN3 fig. 4a)."""
    kind: ClassVar[str] = "filters"
    reads: ClassVar[tuple[str, ...]] = ()        # places of the request that it depends on beside the network
    layer: str = option("", "'L7_276_645'; default: the layer that is looked at, else the middle one")


Inspection = Filters
KINDS: dict[str, type] = {cls.kind: cls for cls in (Filters,)}


def check(inspection: Inspection) -> None:
    """Raises UserError on a number outside its limits."""
    for field in dataclasses.fields(inspection):
        low, high = (field.metadata.get(end) for end in ("low", "high"))
        value = getattr(inspection, field.name)
        numbers = [x for x in (value if isinstance(value, tuple) else (value,)) if isinstance(x, int | float)]
        if any(low is not None and x < low or high is not None and x > high for x in numbers):
            limits = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
            raise UserError(f"{field.name.replace('_', ' ')} is {value}, it must be {limits}.")
